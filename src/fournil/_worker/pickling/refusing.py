"""Refusal of an object that cannot travel: it names the part that cannot."""

from __future__ import annotations

from collections.abc import Mapping
from types import FunctionType

from fournil._worker.handlers import pass_on
from fournil._worker.naming import described, short
from fournil._worker.pickling.packing import pack
from fournil.errors import CannotTravelError

TYPE_CHECKING = False  # typing takes longer to import than all else
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

LIBRARIES = frozenset({"numpy", "pandas", "polars", "pyarrow"})

DEEPEST = 8
"""So many steps into an object it is looked for the part that cannot travel."""


FROM_ITS_PARTS = "give what it is made from, and make it there, or use a ThreadPool"
AS_ITS_PARTS = "return what it is made from, and make it here, or use a ThreadPool"


def refusal(
    what: str, value: object, why: BaseException, *, of: str = "", instead: str = FROM_ITS_PARTS
) -> CannotTravelError:
    """Return what to raise about an object that `pack` refused.

    Args:
        what: what the object is to the call, as messages say it.
        value: the object.
        why: what `pack` raised.
        of: of what it is that, as " of f"; how to get to the part that is bad stands before it.
        instead: what to do about it.
    """
    path, part = culprit(value, cannot_travel)
    error = CannotTravelError(
        f"{what}{path}{of} cannot travel to another process: {short(part)} of type"
        f" {type(part).__qualname__} ({described(why)}); {instead}"
    )
    error.__cause__ = why
    return error


def cannot_travel(value: object) -> bool:
    """Return whether `pack` refuses an object."""
    try:
        pack(value)
    except BaseException as why:
        pass_on(why)
        return True
    return False


def culprit(
    value: object, is_bad: Callable[[object], bool], depth: int = DEEPEST
) -> tuple[str, object]:
    """Return how to get to the innermost part of an object that is bad, and the part."""
    for path, part in _parts(value) if depth else ():
        if is_bad(part):
            deeper, found = culprit(part, is_bad, depth - 1)
            return path + deeper, found
    return "", value


def _parts(value: object) -> Iterator[tuple[str, object]]:
    try:
        library = type(value).__module__.partition(".")[0]
        if library in LIBRARIES:
            # What they are made of says nothing to their users, but for the columns of a frame.
            yield from _columns(value)
        elif isinstance(value, Mapping):
            for key, part in value.items():
                yield f"[{short(key)}]", part
        elif isinstance(value, list | tuple):
            for index, part in enumerate(value):
                yield f"[{index}]", part
        elif isinstance(value, FunctionType):
            yield from _found_by(value)
        else:
            for name, part in getattr(value, "__dict__", {}).items():
                yield f".{name}", part
    except BaseException as why:
        pass_on(why)  # else the object does not let itself be looked at


def _columns(frame: Any) -> Iterator[tuple[str, object]]:
    if hasattr(frame, "items") and hasattr(frame, "columns"):  # pandas
        yield ".index", frame.index
        for key, column in frame.items():
            yield f"[{short(key)}]", column
    elif hasattr(frame, "get_columns"):  # polars
        for column in frame.get_columns():
            yield f"[{short(column.name)}]", column
    elif hasattr(frame, "column_names"):  # Arrow
        for name, column in zip(frame.column_names, frame.columns, strict=True):
            yield f"[{short(name)}]", column


def _found_by(function: FunctionType) -> Iterator[tuple[str, object]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield f"'s variable {name}", cell.cell_contents
        except ValueError:
            pass  # it has no value
    for name in function.__code__.co_names:
        if name in function.__globals__:
            yield f"'s global {name}", function.__globals__[name]
