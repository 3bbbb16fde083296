"""Payloads of a worker: arguments and results that are big, through shared memory."""

from __future__ import annotations

import socket

from fournil._worker.memory.places import Layout, views_at
from fournil._worker.memory.segments import Borrower, Lender, fill
from fournil._worker.sender import Sender
from fournil._worker.wire import ANSWER, RANGE, SIZE, Answer, Ask

TYPE_CHECKING = False  # typing takes longer to import than all else
if TYPE_CHECKING:
    from fournil._worker.memory.segments import Segment


class Payloads:
    """Payloads of a worker; its main thread's.

    Args:
        side: the socket on which descriptors come and go.
        sender: where the parent is told of memory.
    """

    def __init__(self, side: socket.socket, sender: Sender) -> None:
        self.side = side
        self.sender = sender
        self.lender = Lender()
        self.borrower = Borrower(sender.give_back)

    def told(self, kind: int, number: int, other: int, body: memoryview) -> None:
        """Take note of what the parent says of memory."""
        match kind:
            case Ask.SEGMENT:
                self.borrower.lent(number, self.descriptor(), SIZE.unpack(body)[0])
            case Ask.FILE:
                self.borrower.file(self.descriptor() if other else None)
            case Ask.SHARED:
                self.borrower.shared(number, *RANGE.unpack(body))
            case Ask.WITHDRAWN:
                self.borrower.withdrawn(number)
            case Ask.RETURNED:
                self.lender.returned(number, bool(other))
            case Ask.TRIM:
                for gone in self.lender.trim():
                    self.sender.write(ANSWER.pack(Answer.WITHDRAWN, 0, 0, gone, 0, 0, 0))

    def descriptor(self) -> int:
        """Return the descriptor that was sent before the record that tells of it."""
        _, descriptors, _, _ = socket.recv_fds(self.side, 1, 1)
        return descriptors[0]

    def close(self) -> None:
        """Let go of all: no more calls come."""
        self.borrower.close()
        self.lender.close()

    def views(
        self, flags: int, buffers: int, body: memoryview
    ) -> tuple[memoryview, list[memoryview]]:
        """Return what was packed, and its buffers."""
        return views_at(self.borrower, flags, buffers, body)

    def place(self, body: bytes, big: list[memoryview]) -> tuple[int, int, bytes]:
        """Put a result that is big into memory.

        Returns:
            flags, how many buffers, and the body of the record.

        Raises:
            OSError, ValueError: there is no memory.
        """
        layout = Layout(body, big)
        segment = self.lender.take(layout.size) or self.new_segment(layout.size)
        flags, buffers, body, parts = layout.record(segment.number)
        fill(segment.memory, parts)
        return flags, buffers, body

    def new_segment(self, size: int) -> Segment:
        """Return new memory, of which the parent is told."""
        segment = self.lender.make(size)
        try:
            socket.send_fds(self.side, [b"s"], [segment.descriptor])
        except OSError:
            self.lender.forget(segment)
            raise
        segment.close_descriptor()
        size_of = SIZE.pack(segment.size)
        head = ANSWER.pack(Answer.SEGMENT, 0, 0, segment.number, len(size_of), 0, 0)
        self.sender.write(head + size_of)
        return segment
