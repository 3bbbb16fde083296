"""An exception with its traceback as bytes, and back.

Pickle drops an exception's traceback, its cause and its context. Here they travel with it, and
become real ones again: each frame a code object that has the file, name and position of the one
it stands for. So the worker's lines are shown where Python shows lines, and where debuggers and
error trackers look for them.

All exceptions that hang together travel as one list, and name each other by their places in it:
chains and groups may be of any length and depth. What a class of theirs overrides is not asked,
but for how to pickle it: an exception that raises wherever it is touched arrives as one that says
so.
"""

from __future__ import annotations

import pickle
import sys
from functools import lru_cache
from itertools import islice
from types import CodeType, FrameType, FunctionType, TracebackType

from fournil._worker.handlers import pass_on
from fournil._worker.naming import described, text_of, type_name
from fournil._worker.pickling.packing import pack, unpack
from fournil.errors import RemoteError

TYPE_CHECKING = False  # typing takes longer to import than all else
if TYPE_CHECKING:
    from typing import Any

    Place = tuple[str, str, int, int, int | None, int | None]
    """File, name, line, last line, column, last column."""

    Packed = dict[str, Any]
    """One exception; others by their numbers in the list."""

DEEPEST = 1000
"""Of a recursion that went too far the innermost frames are enough."""

PLACES = 100_000
"""So many frames travel with one exception and all that hang together with it."""

REMEMBERED = 256
"""So many places are remembered, with their code: to look one up in a long function takes longer
than all else that an exception takes, and what fails often fails at the same ones."""

HERE = __file__.rsplit("/", 2)[0]
"""Folder of what runs calls in a worker."""

GROUPS = (ExceptionGroup, BaseExceptionGroup)

# As C code reaches them: a class may override what an attribute's name leads to.
traceback_of: Any = BaseException.__dict__["__traceback__"]
_links: dict[str, Any] = {
    link: BaseException.__dict__[link] for link in ("__cause__", "__context__")
}
_suppress: Any = BaseException.__dict__["__suppress_context__"]
_parts: Any = BaseExceptionGroup.__dict__["exceptions"]
_message: Any = BaseExceptionGroup.__dict__["message"]


def pack_error(error: BaseException, note: str) -> bytes:
    """Return an exception as bytes, with a note of where it was raised."""
    try:
        return pickle.dumps((_packed(error), note), 5)
    except (MemoryError, RecursionError) as why:
        packed: Packed = {"reason": type(why).__name__, "type": type_name(type(error))}
        return pickle.dumps(([packed], note), 5)


def unpack_error(body: bytes | memoryview) -> BaseException:
    """Return the exception that was packed; another that says so where it cannot be made here."""
    list_of_packed, note = unpack(body, [])
    error = _unpacked(list_of_packed)
    add_note(error, note)
    return error


def add_note(error: BaseException, note: str) -> None:
    """Add a note to an exception, if it can have one."""
    try:
        BaseException.add_note(error, note)
    except BaseException as why:
        pass_on(why)  # else its notes are no list


# There.


def _packed(first: BaseException) -> list[Packed]:
    """Return an exception and all that hang together with it, the nearest first."""
    found = [first]
    numbers = {id(first): 0}

    def number_of(error: BaseException) -> int:
        number = numbers.setdefault(id(error), len(found))
        if number == len(found):
            found.append(error)
        return number

    packed = []
    left = PLACES
    # It grows meanwhile.
    for error in found:
        one: Packed = {"suppress": _suppress.__get__(error), "type": type_name(type(error))}
        if type(error) in GROUPS:
            one["group"] = [number_of(part) for part in _parts.__get__(error)]
            one["message"] = str.__str__(_message.__get__(error))
            _pack_state(error, one)
        else:
            _pack_value(error, one)
            if issubclass(type(error), BaseExceptionGroup):
                one["parts"] = [number_of(part) for part in _parts.__get__(error)]
        one["places"] = _places(traceback_of.__get__(error), max(left, 1))
        left -= len(one["places"])
        for link, attribute in _links.items():
            other = attribute.__get__(error)
            if other is not None:
                one[link] = number_of(other)
        packed.append(one)
    return packed


def _pack_value(error: BaseException, packed: Packed) -> None:
    try:
        packed["value"] = _bytes_of(error)
    except BaseException as why:
        pass_on(why)
        packed["reason"] = described(why)
    packed["text"] = text_of(error)


def _pack_state(group: BaseException, packed: Packed) -> None:
    """Add the attributes of a group to what is packed of it."""
    state = {}
    for name, value in group.__dict__.items():
        try:
            state[name] = _bytes_of(value)
        except BaseException as why:
            pass_on(why)
            packed["reason"] = f"its attribute {name}: {described(why)}"
    if state:
        packed["state"] = state


def _bytes_of(value: object) -> tuple[bytes, list[bytes]]:
    body, buffers = pack(value)
    return body, [bytes(buffer) for buffer in buffers]


def _places(traceback: TracebackType | None, most: int) -> list[Place]:
    """Return where an exception was raised, innermost last, and of too many frames the last."""
    tracebacks: list[TracebackType] = []
    while traceback is not None:
        # What calls the program's code here says nothing to a reader.
        if tracebacks or not traceback.tb_frame.f_code.co_filename.startswith(HERE):
            tracebacks.append(traceback)
        traceback = traceback.tb_next
    return [_place(one) for one in tracebacks[-min(most, DEEPEST) :]]


_known: dict[tuple[str, str, bytes, int, int, int], Place] = {}
"""Places, by what they follow from: code objects of two files may be equal."""


def _place(traceback: TracebackType) -> Place:
    code = traceback.tb_frame.f_code
    line_now = traceback.tb_lineno
    key = (
        *(code.co_filename, code.co_qualname, code.co_linetable, code.co_firstlineno),
        *(traceback.tb_lasti, line_now),
    )
    place = _known.get(key)
    if place is not None:
        return place
    line, last, column, last_column = next(
        islice(code.co_positions(), traceback.tb_lasti // 2, None), (None, None, None, None)
    )
    if line is None or line != line_now:
        line = last = line_now
        column = last_column = None
    place = code.co_filename, code.co_qualname, line, last or line, column, last_column
    if len(_known) >= REMEMBERED:
        _known.clear()
    _known[key] = place
    return place


# Back.


def _unpacked(list_of_packed: list[Packed]) -> BaseException:
    """Return the first of the exceptions that were packed together."""
    made: list[BaseException | None] = [None] * len(list_of_packed)
    for number in range(len(made)):
        _make(number, list_of_packed, made)
    errors = [error for error in made if error is not None]
    for error, packed in zip(errors, list_of_packed, strict=True):
        traceback_of.__set__(error, _traceback(packed.get("places", [])))
        for link, attribute in _links.items():
            if link in packed:
                attribute.__set__(error, errors[packed[link]])
        # To set a cause sets this.
        _suppress.__set__(error, packed.get("suppress", False))
    for error, packed in zip(errors, list_of_packed, strict=True):
        if "parts" in packed and issubclass(type(error), BaseExceptionGroup):
            models = [errors[number] for number in packed["parts"]]
            _complete(list(zip(_parts.__get__(error), models, strict=False)))
    return errors[0]


def _complete(pairs: list[tuple[BaseException, BaseException]]) -> None:
    """Give the parts of a group that was pickled as a whole what others that equal them have."""
    for part, model in pairs:
        for attribute in (traceback_of, *_links.values(), _suppress):
            attribute.__set__(part, attribute.__get__(model))
        if all(issubclass(type(one), BaseExceptionGroup) for one in (part, model)):
            # It grows meanwhile.
            pairs += zip(_parts.__get__(part), _parts.__get__(model), strict=False)


def _make(number: int, list_of_packed: list[Packed], made: list[BaseException | None]) -> None:
    """Make an exception; before that the parts of a group, which has them when it is made."""
    waiting = [number]
    while waiting:
        number = waiting[-1]
        packed = list_of_packed[number]
        missing = [part for part in packed.get("group", ()) if made[part] is None]
        if made[number] is None and missing:
            waiting += missing
            continue
        waiting.pop()
        if made[number] is None:
            made[number] = _group(packed, made) if "group" in packed else _value(packed)


def _group(packed: Packed, made: list[BaseException | None]) -> BaseException:
    parts = [part for number in packed["group"] if (part := made[number]) is not None]
    # It is an ExceptionGroup if all its parts are exceptions, as it was there.
    group = BaseExceptionGroup(packed["message"], parts)
    reason = packed.get("reason")
    for name, (body, buffers) in packed.get("state", {}).items():
        try:
            group.__dict__[name] = unpack(body, [memoryview(buffer) for buffer in buffers])
        except BaseException as why:
            pass_on(why)
            reason = f"its attribute {name}: {described(why)}"
    if reason:
        group.__dict__["__notes__"] = [
            *group.__dict__.get("__notes__", ()),
            f"(not all of it could travel between processes: {reason})",
        ]
    return group


def _value(packed: Packed) -> BaseException:
    reason = packed.get("reason", "")
    if "value" in packed:
        body, buffers = packed["value"]
        try:
            error = unpack(body, [memoryview(buffer) for buffer in buffers])
            if issubclass(type(error), BaseException):
                return error  # type: ignore[no-any-return]
            reason = f"it was unpickled as an object of type {type(error).__qualname__}"
        except BaseException as why:
            pass_on(why)
            reason = described(why)
    made = RemoteError(f"{packed['type']}: {packed.get('text', '')}")
    made.add_note(f"({packed['type']} itself could not travel between processes: {reason})")
    return made


def _traceback(places: list[Place]) -> TracebackType | None:
    made = None
    for place in reversed(places):
        made = TracebackType(made, _frame(place), 0, place[2])
    return made


def _itself() -> FrameType:
    return sys._getframe()


def _frame(place: Place) -> FrameType:
    # No more globals than the function needs: tools print them.
    frame: FrameType = FunctionType(_code(place), {"sys": sys})()
    return frame


@lru_cache(REMEMBERED)
def _code(place: Place) -> CodeType:
    file, name, line, last, column, last_column = place
    stub: CodeType = _itself.__code__
    return stub.replace(
        co_filename=file,
        co_name=name.rpartition(".")[2],
        co_qualname=name,
        co_firstlineno=line,
        co_linetable=_positions(len(stub.co_code) // 2, last - line, column, last_column),
    )


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
