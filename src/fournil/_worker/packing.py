"""An object as bytes and buffers, and back.

Pickle does most; what it refuses (lambdas, closures, local classes) and what would be found in
this process alone (all that `__main__` holds) is left to cloudpickle, which sends what it is made
of. Big buffers stay what they are, for shared memory to take.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from types import FunctionType

from fournil._worker.wire import BUFFERS
from fournil.errors import CannotTravelError

TYPE_CHECKING = False  # typing takes longer to import than all else
if TYPE_CHECKING:
    from typing import Any

SMALL = 1 << 15
"""Buffers below so many bytes are pickled with the rest: shared memory would cost more."""

PLAIN = frozenset({int, float, bool, str, bytes, type(None)})
"""Types whose objects hold no others: there is nothing to look for in them."""

DEEPEST = 8
"""So many steps into an object it is looked for the part that cannot travel."""


def pack(value: object) -> tuple[bytes, list[memoryview]]:
    """Return an object as bytes, and the buffers in it that are big.

    Raises:
        Exception: it cannot travel; whatever pickle, or a method of the object, raised.
    """
    buffers: list[memoryview] = []

    def keep(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < SMALL or len(buffers) == BUFFERS:
            return True
        buffers.append(raw)
        return False

    try:
        body = pickle.dumps(value, 5, buffer_callback=keep)
    except Exception:
        pass
    else:
        # It may be a name in `__main__`, which another process looks for in vain.
        if b"__main__" not in body:
            return body, buffers
    buffers.clear()
    from fournil._worker.by_value import dumps

    return dumps(value, keep), buffers


def pack_args(args: tuple[object, ...]) -> tuple[bytes, list[memoryview]]:
    """Return what `pack` does of a tuple, sooner if all in it is plain; b"" if it is empty."""
    if not args:
        return b"", []
    for value in args:
        if type(value) not in PLAIN:
            return pack(args)
    return pickle.dumps(args, 5), []


def unpack(body: bytes | memoryview, buffers: list[memoryview]) -> Any:
    """Return the object that was packed."""
    return pickle.loads(body, buffers=buffers)


def refusal(what: str, value: object, why: BaseException) -> CannotTravelError:
    """Return what to raise about an object that cannot travel: it names the part that cannot.

    Args:
        what: what the object is to the call, as messages say it.
        value: the object.
        why: what `pack` raised.
    """
    path, part = _culprit(value, DEEPEST)
    error = CannotTravelError(
        f"{what + path} cannot travel to another process: {_short(part)} of type"
        f" {type(part).__qualname__} ({type(why).__name__}: {why}); give what it is made from,"
        " and make it there, or use a ThreadPool"
    )
    error.__cause__ = why
    return error


def _culprit(value: object, depth: int) -> tuple[str, object]:
    """Return how to get to the innermost part of an object that cannot travel, and the part."""
    for path, part in _parts(value) if depth else ():
        try:
            pack(part)
        except Exception:
            deeper, found = _culprit(part, depth - 1)
            return path + deeper, found
    return "", value


def _parts(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield f"[{_short(key)}]", part
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            yield f"[{index}]", part
    elif isinstance(value, FunctionType):
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
            try:
                yield f"'s variable {name}", cell.cell_contents
            except ValueError:
                pass  # it has no value
        for name in value.__code__.co_names:
            if name in value.__globals__:
                yield f"'s global {name}", value.__globals__[name]
    else:
        for name, part in getattr(value, "__dict__", {}).items():
            yield f".{name}", part


def _short(value: object) -> str:
    try:
        text = repr(value)
    except Exception:
        return "(its repr raises an exception)"
    return text if len(text) <= 80 else f"{text[:77]}..."
