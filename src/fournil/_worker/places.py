"""What is packed, put into shared memory: where its parts stand, as a record says it."""

from __future__ import annotations

from struct import Struct

from fournil._worker.memory import Borrower, Lender, Segment, aligned, fill
from fournil._worker.wire import ELSEWHERE, LARGEST

PLACE = Struct("=IIQQ")
"""Number of the segment, flags, offset, length."""

READ_ONLY = 1
LASTS = 2  # the memory stays lent when its views are gone


def parts_of(body: bytes, buffers: list[memoryview]) -> tuple[int, list[memoryview]]:
    """Return flags, and all that does not go with the record."""
    if len(body) > LARGEST:
        return ELSEWHERE, [memoryview(body), *buffers]
    return 0, buffers


def place(lender: Lender, parts: list[memoryview]) -> tuple[list[bytes], Segment, bool]:
    """Copy what is big into memory that is lent.

    Returns:
        where each part stands; the memory, and whether the other side has to be told of it.

    Raises:
        OSError: there is no memory for it.
    """
    size = size_of(parts)
    segment = lender.take(size)
    is_new = segment is None
    if segment is None:
        segment = lender.make(size)
    fill(segment, parts)
    return places_in(segment, parts), segment, is_new


def size_of(parts: list[memoryview]) -> int:
    """Return how much memory they need."""
    return sum(aligned(part.nbytes) for part in parts)


def places_in(segment: Segment, parts: list[memoryview]) -> list[bytes]:
    """Return where parts stand that fill memory, one after the other."""
    places = []
    offset = 0
    for part in parts:
        kind = READ_ONLY * part.readonly
        places.append(PLACE.pack(segment.number, kind, offset, part.nbytes))
        offset += aligned(part.nbytes)
    return places


def record_of(body: bytes, flags: int, places: list[bytes]) -> bytes:
    """Return the body of a record, whose parts stand at these places."""
    return b"".join(places if flags & ELSEWHERE else [*places, body])


def views_at(
    borrower: Borrower, flags: int, buffers: int, body: memoryview
) -> tuple[memoryview, list[memoryview]]:
    """Return what was packed, and views of the buffers, of a record with places."""
    views: dict[int, memoryview] = {}
    by_segment: dict[tuple[int, bool], list[int]] = {}
    places = [PLACE.unpack_from(body, PLACE.size * index) for index in range(buffers)]
    for index, (number, kind, _, _) in enumerate(places):
        by_segment.setdefault((number, bool(kind & LASTS)), []).append(index)
    # One owner for all views of a segment: it is given back when the last of them is gone.
    for (number, lasts), indexes in by_segment.items():
        found = borrower.views(number, [places[index][2:] for index in indexes], lasts)
        views.update(zip(indexes, found, strict=True))
    ordered = [
        views[index].toreadonly() if places[index][1] & READ_ONLY else views[index]
        for index in range(buffers)
    ]
    if flags & ELSEWHERE:
        return ordered[0], ordered[1:]
    return body[PLACE.size * buffers :], ordered
