"""Sender of a worker: its way to its parent, whatever else in it has something to say meanwhile."""

from __future__ import annotations

import threading
from collections import deque

from fournil._worker.control_block import JOURNAL, ControlBlock
from fournil._worker.wire import ANSWER, Answer

TYPE_CHECKING = False  # typing takes longer to import than all else
if TYPE_CHECKING:
    from collections.abc import Callable

    from fournil._worker.own import OwnSocket


class Sender:
    """End of the channel at which a worker writes: what it notes in its control block is sent.

    Answers are the main thread's alone. But any code logs, or lets go of memory of the parent: in
    another thread, and in the midst of whatever stands here, as a handler of a signal, a finalizer,
    a callback of the collector. So there is one writer at a time, for whom nobody waits who may
    interrupt it; others leave what they have in `logged` and `returned`, to be written next.

    - The main thread writes, but while it waits for calls: then who takes `turn` does. The thread
      has it else.
    - In the main thread, what interrupts the writer finds `writing` set.

    What says how much was written and sent changes in one step of the interpreter, with the deed:
    what is raised in between, by a handler or an interruption, leaves either both or none.

    Args:
        stream: the socket.
        control_block: the memory that outlives this process.

    Attributes:
        ended: nobody reads any more, or this process was forked from the worker's.
        lost: nobody can: there is no parent any more, or a call closed the socket. The parent finds
            in the control block what was noted there.
    """

    def __init__(self, stream: OwnSocket, control_block: ControlBlock) -> None:
        self.stream = stream
        self.control_block = control_block
        self.journal = control_block.journal
        self.thread = threading.get_ident()
        self.turn = threading.Lock()
        self.turn.acquire()
        self.waits = False  # the main thread, for calls
        self.writing = False
        self.sent = 0  # how many bytes of all that were written
        self.logged: deque[bytes] = deque()  # records
        # Memory that is given back, and whether this process was forked meanwhile.
        self.returned: deque[tuple[int, bool]] = deque()
        self.ended = False
        self.lost = False

    # In the main thread.

    def wait(self, receive: Callable[[memoryview], int], room: memoryview) -> int:
        """Send all that was written, and wait for calls; others may write meanwhile.

        Args:
            receive: waits, puts what came into the room, and returns how much that is.

        Returns:
            as that did; 0, too, if nobody can be told anything.
        """
        self.flush()
        if self.lost:
            return 0
        self.waits = True
        self.turn.release()
        try:
            if self.logged:
                # After the last look, by who did not get the turn.
                self.flush_in_turn()
            return receive(room)
        finally:
            self.turn.acquire()
            self.waits = False

    def end(self) -> None:
        """Send what is left, and write no more."""
        self.ended = True
        self.flush()

    # Of who is the writer.

    def write(self, record: bytes) -> None:
        """Write a record where the parent sees it; it is sent with others."""
        self.writing = True
        try:
            self.note(record)
        finally:
            self.writing = False

    def flush(self) -> None:
        """Send what was written, what was logged, and what memory is given back."""
        self.writing = True
        try:
            if self.logged or self.returned:
                self.write_what_is_left()
            self.send()
        finally:
            self.writing = False

    # While `writing` is set.

    def write_what_is_left(self) -> None:
        # No more than there is now: threads may log without end.
        returned = [self.returned.popleft() for _ in range(len(self.returned))]
        records = [
            ANSWER.pack(Answer.RETURNED, was_forked, 0, number, 0, 0, 0)
            for number, was_forked in returned
        ]
        records += [self.logged.popleft() for _ in range(len(self.logged))]
        for record in records:
            self.note(record)

    def note(self, record: bytes) -> None:
        """Have the parent see a record, unless it is lost and there is no room left."""
        control_block = self.control_block
        if control_block.tail - self.sent + len(record) > JOURNAL:
            self.send()
            if self.lost:
                return
        control_block.write(record)

    def send(self) -> None:
        """Send what was written."""
        tail = self.control_block.tail
        while (begin := self.sent) < tail and not self.lost:
            if not self.stream.is_there():
                self.lost = True
                return
            at = begin % JOURNAL
            piece = self.journal[at : at + tail - begin]
            try:
                # Python looks for signals, and for what other threads want raised, after calls
                # and jumps back: not where it unpacks, and so not before this is counted.
                (count,) = map(self.stream.send, (piece,))
                self.sent += count
            except OSError:
                self.lost = True

    # In any thread, and in the midst of all else.

    def give_back(self, number: int, was_forked: bool) -> None:
        """Have the parent told that memory is not used here any more."""
        self.returned.append((number, was_forked))

    def log(self, body: bytes) -> bool:
        """Send a log record: at once, or with the next answer where the main thread runs a call.

        Returns:
            whether anybody reads it.
        """
        if self.ended:
            return False
        self.logged.append(ANSWER.pack(Answer.LOG, 0, 0, 0, len(body), 0, 0) + body)
        if threading.get_ident() != self.thread or self.waits:
            self.flush_in_turn()
        elif not self.writing:
            self.flush()
        return True

    def flush_in_turn(self) -> None:
        """Send what was logged, unless another is at it, who sends this too."""
        while self.logged and self.turn.acquire(blocking=False):
            try:
                self.flush()
            finally:
                self.turn.release()
