"""Spans of memory that this process shares with others, found by their addresses."""

from __future__ import annotations

from bisect import bisect_right

TYPE_CHECKING = False  # typing takes longer to import than all else
if TYPE_CHECKING:
    from typing import Protocol

    class Span(Protocol):
        """Memory that is shared: from `begin` to before `end`."""

        begin: int
        end: int


# Any thread adds and removes a span, each in steps of the interpreter of which each leaves all
# right: a lock could be held by the very thread in which a collection of garbage finds an object
# gone. `_version` changes after `_spans`; a list that was made before is not looked at again.
spans: dict[int, Span] = {}
_version = 0
_ordered: tuple[int, list[int]] = (0, [])


making: list[None] = []
"""Marks, one for each object that is being shared now: its memory is not yet among `spans`."""


def in_use() -> bool:
    """Return whether anything is shared here, or is about to be."""
    return bool(spans or making)


def add(span: Span) -> None:
    global _version
    spans[span.begin] = span
    _version += 1


def remove(span: Span) -> None:
    """Forget a span, before its addresses can be those of other memory."""
    global _version
    spans.pop(span.begin, None)
    _version += 1


def find(begin: int, end: int) -> Span | None:
    """Return the span that has all between two addresses; None: there is none."""
    global _ordered
    ordered = _ordered
    version = _version
    if ordered[0] != version:
        ordered = _ordered = version, sorted(spans)
    index = bisect_right(ordered[1], begin) - 1
    span = spans.get(ordered[1][index]) if index >= 0 else None
    return span if span is not None and end <= span.end else None
