"""Places in shared memory of the parts of an object that was packed.

The body of a record is the places of the buffers, and what was packed. Where that is too long for
a record, it is put into memory itself, behind the buffers, and the record says where that is.
"""

from __future__ import annotations

from struct import Struct

from fournil._worker.memory.segments import Borrower, aligned, aligned_size
from fournil._worker.wire import ELSEWHERE, LARGEST

PLACE = Struct("=IIQQ")
"""Number of the segment, flags, offset, length."""

READ_ONLY = 1

COUNT = Struct("=Q")
"""How many buffers there are, before their places, where these are elsewhere."""


class Layout:
    """Layout of an object in memory.

    Args:
        body: the object, packed.
        buffers: its buffers.
        places: of each buffer, where it stands already, or None.

    Attributes:
        copied: the buffers that are copied.
        size: how much memory is needed; 0: none.
    """

    def __init__(
        self, body: bytes, buffers: list[memoryview], places: list[bytes | None] | None = None
    ) -> None:
        self.body = body
        self.places: list[bytes | None] = places or [None] * len(buffers)
        self.copied = [
            buffer for buffer, place in zip(buffers, self.places, strict=True) if place is None
        ]
        self.length = PLACE.size * len(buffers) + len(body)
        self.size = aligned_size(self.copied)
        if self.length > LARGEST:
            self.size += aligned(COUNT.size + self.length)

    def record(self, number: int) -> tuple[int, int, bytes, list[memoryview]]:
        """Return the record of the object, when it is in memory of that number.

        Returns:
            flags, how many buffers, and body of the record; what the memory is to be filled with.
        """
        offset = 0
        places = []
        copied = iter(self.copied)
        for place in self.places:
            if place is None:
                buffer = next(copied)
                place = PLACE.pack(number, READ_ONLY * buffer.readonly, offset, buffer.nbytes)
                offset += aligned(buffer.nbytes)
            places.append(place)
        body = b"".join([*places, self.body])
        if self.length <= LARGEST:
            return 0, len(places), body, self.copied
        whole = memoryview(COUNT.pack(len(places)) + body)
        place = PLACE.pack(number, READ_ONLY, offset, whole.nbytes)
        return ELSEWHERE, 1, place, [*self.copied, whole]


def views_at(
    borrower: Borrower, flags: int, buffers: int, body: memoryview
) -> tuple[memoryview, list[memoryview]]:
    """Return what was packed, and views of the buffers, of a record with places."""
    # One view of a segment for all that stands in it: it is given back when the last is gone.
    whole: dict[int, memoryview] = {}

    def view_at(place: int) -> memoryview:
        number, kind, offset, length = PLACE.unpack_from(body, PLACE.size * place)
        if number not in whole:
            whole[number] = borrower.view(number)
        view = whole[number][offset : offset + length]
        return view.toreadonly() if kind & READ_ONLY else view

    if flags & ELSEWHERE:
        body = view_at(0)
        (buffers,) = COUNT.unpack_from(body)
        body = body[COUNT.size :]
    views = [view_at(place) for place in range(buffers)]
    return body[PLACE.size * buffers :], views
