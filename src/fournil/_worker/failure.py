"""An exception with its traceback as bytes, and back.

Pickle drops an exception's traceback, its cause and its context. Here they travel with it, and
become real ones again: each frame a code object that has the file, name and position of the one
it stands for. So the worker's lines are shown where Python shows lines, and where debuggers and
error trackers look for them.
"""

from __future__ import annotations

import sys
from itertools import islice
from types import CodeType, FrameType, FunctionType, TracebackType

from fournil._worker.packing import pack, unpack
from fournil.errors import RemoteError

TYPE_CHECKING = False  # typing takes longer to import than all else
if TYPE_CHECKING:
    from typing import Any

Place = tuple[str, str, int, int, int | None, int | None]
"""File, name, line, last line, column, last column."""

DEEPEST = 1000
"""Of a recursion that went too far the innermost frames are enough."""


def pack_error(error: BaseException, note: str) -> bytes:
    """Return an exception as bytes, with a note of where it was raised."""
    return pack((_packed(error, set()), note))[0]


def unpack_error(body: bytes | memoryview) -> BaseException:
    """Return the exception that was packed; another that says so where it cannot be made here."""
    packed, note = unpack(body, [])
    error = _unpacked(packed)
    error.add_note(note)
    return error


def _packed(error: BaseException, seen: set[int]) -> dict[str, Any]:
    seen.add(id(error))
    try:
        body, buffers = pack(error)
        value = body, [bytes(buffer) for buffer in buffers]
    except Exception as why:
        value = None
        reason = f"{type(why).__name__}: {why}"
    else:
        reason = ""
    try:
        text = str(error)
    except Exception:
        text = "(its text raises an exception)"
    packed: dict[str, Any] = {
        "value": value,
        "reason": reason,
        "type": f"{type(error).__module__}.{type(error).__qualname__}",
        "text": text,
        "places": _places(error.__traceback__),
        "suppress": error.__suppress_context__,
    }
    for link in ("__cause__", "__context__"):
        other = getattr(error, link)
        if other is not None and id(other) not in seen:
            packed[link] = _packed(other, seen)
    if isinstance(error, BaseExceptionGroup):
        packed["parts"] = [_packed(part, seen) for part in error.exceptions]
    return packed


def _unpacked(packed: dict[str, Any]) -> BaseException:
    error = _value(packed)
    error.__traceback__ = _traceback(packed["places"])
    for link in ("__cause__", "__context__"):
        if link in packed:
            setattr(error, link, _unpacked(packed[link]))
    # To set a cause sets this.
    error.__suppress_context__ = packed["suppress"]
    if isinstance(error, BaseExceptionGroup):
        for part, of in zip(error.exceptions, packed.get("parts", ()), strict=False):
            part.__traceback__ = _traceback(of["places"])
    return error


def _value(packed: dict[str, Any]) -> BaseException:
    reason = packed["reason"]
    if packed["value"] is not None:
        body, buffers = packed["value"]
        try:
            error = unpack(body, [memoryview(buffer) for buffer in buffers])
            if isinstance(error, BaseException):
                return error
            reason = f"it was unpickled as {error!r}"
        except Exception as why:
            reason = f"{type(why).__name__}: {why}"
    error = RemoteError(f"{packed['type']}: {packed['text']}")
    error.add_note(f"({packed['type']} itself could not travel between processes: {reason})")
    return error


def _places(traceback: TracebackType | None) -> list[Place]:
    places: list[Place] = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        line, last, column, last_column = next(
            islice(code.co_positions(), traceback.tb_lasti // 2, None), (None, None, None, None)
        )
        if line is None or line != traceback.tb_lineno:
            line = last = traceback.tb_lineno
            column = last_column = None
        places.append((code.co_filename, code.co_qualname, line, last or line, column, last_column))
        traceback = traceback.tb_next
    return places[-DEEPEST:]


def _traceback(places: list[Place]) -> TracebackType | None:
    made = None
    for place in reversed(places):
        made = TracebackType(made, _frame(place), 0, place[2])
    return made


def _itself() -> FrameType:
    return sys._getframe()


def _frame(place: Place) -> FrameType:
    file, name, line, last, column, last_column = place
    stub: CodeType = _itself.__code__
    code = stub.replace(
        co_filename=file,
        co_name=name.rpartition(".")[2],
        co_qualname=name,
        co_firstlineno=line,
        co_linetable=_positions(len(stub.co_code) // 2, last - line, column, last_column),
    )
    # No more globals than the function needs: tools print them.
    frame: FrameType = FunctionType(code, {"sys": sys})()
    return frame


def _positions(units: int, lines: int, column: int | None, last_column: int | None) -> bytes:
    """Return the table that gives all instructions of a code object one position.

    Source: CPython, Objects/locations.md (InternalDocs/code_objects.md since 3.13).
    """
    table = bytearray()
    while units > 0:
        run = min(units, 8)
        units -= run
        if column is None or last_column is None or lines < 0:
            table += bytes((0x80 | 13 << 3 | run - 1, 0))  # no columns; the line: the first
        else:
            table += bytes((0x80 | 14 << 3 | run - 1, 0))
            for number in (lines, column + 1, last_column + 1):
                while number >= 0x40:
                    table.append(0x40 | number & 0x3F)
                    number >>= 6
                table.append(number)
    return bytes(table)
