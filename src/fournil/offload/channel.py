"""Records over a socket pair: the parent's side of one worker."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import ExitStack

from fournil._worker.ledger import JOURNAL, TAIL, Ledger
from fournil._worker.wire import ANSWER, LONGEST

READ = 1 << 14
"""So many bytes are read in one step of the loop; then others have their turn."""

Answered = Callable[[int, int, int, int, memoryview, int, int], None]
"""Takes kind, flags, buffers, number, body, and when the call began and ended."""


class Channel:
    """Sends records to a worker and reads its answers.

    Answers come from the socket; what the worker has noted in its ledger and not sent, since it is
    busy or dead, is read there. Both are one stream of bytes, counted from its beginning.

    Args:
        loop: the loop in whose thread all of this is used.
        answered: called with each answer; the body is valid until it returns.
        read: called after some were read.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        answered: Answered,
        read: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._answered = answered
        self._read = read
        # Descriptors may run out in between.
        with ExitStack() as opened:
            ends = [opened.enter_context(end) for _ in range(2) for end in socket.socketpair()]
            self.ledger = Ledger()
            opened.pop_all()
        self.stream, self._their_stream, self.side, self._their_side = ends
        self.stream.setblocking(False)
        self._descriptor = self.stream.fileno()
        self._backlog: list[bytes] = []  # not taken by the socket so far
        self._arrived = 0  # bytes that came by the socket
        self._taken = 0  # bytes that came, by the socket or the ledger
        self._tail = 0  # what the ledger counted when it was looked at last
        self._buffer = bytearray(READ + LONGEST)
        self._view = memoryview(self._buffer)
        self._held = 0  # bytes of an answer that is not complete, at the buffer's beginning
        self._reads = True
        self._ending = False
        loop.add_reader(self._descriptor, self._readable)

    def their_descriptors(self) -> list[int]:
        """Return what the worker is to be started with."""
        return [self._their_stream.fileno(), self._their_side.fileno(), self.ledger.descriptor]

    def handed_over(self) -> None:
        """Let go of what the worker has now."""
        self._their_stream.close()
        self._their_side.close()
        self.ledger.close_descriptor()

    # To the worker.

    def write(self, data: bytes) -> None:
        """Send records, in time."""
        if not self._backlog:
            try:
                sent = self.stream.send(data)
            except BlockingIOError:
                sent = 0
            except OSError:
                return  # it is dead; what becomes of its calls is decided when that is told
            if sent == len(data):
                return
            data = data[sent:]
            self._loop.add_writer(self._descriptor, self._writable)
        self._backlog.append(data)

    def _writable(self) -> None:
        data = b"".join(self._backlog)
        self._backlog.clear()
        self._loop.remove_writer(self._descriptor)
        self.write(data)
        if not self._backlog and self._ending:
            self.end()

    def send_descriptor(self, descriptor: int) -> None:
        """Send a descriptor, before the record that tells of it."""
        try:
            socket.send_fds(self.side, [b"s"], [descriptor])
        except ConnectionError:
            pass  # as above

    def receive_descriptor(self) -> int:
        """Return the descriptor that a record told of."""
        _, descriptors, _, _ = socket.recv_fds(self.side, 1, 1)
        return descriptors[0]

    def end(self) -> None:
        """Say that no more comes: the worker ends when it has done what it has."""
        self._ending = True
        if not self._backlog:
            try:
                self.stream.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it is dead

    # From the worker.

    def _readable(self) -> None:
        if self._receive():
            self._read()

    def _receive(self) -> bool:
        """Take what the socket has; return False if it has nothing."""
        view = self._view
        held = self._held
        try:
            count = self.stream.recv_into(view[held : held + READ])
        except BlockingIOError:
            return False
        except OSError:
            count = 0
        if not count:
            # The worker is dead, or will be; that and how is told by its template.
            self._stop_reading()
            return False
        known = self._taken - self._arrived
        self._arrived += count
        if known:
            # The ledger told it before.
            known = min(known, count)
            view[held : held + count - known] = view[held + known : held + count]
            count -= known
        self._taken += count
        self._parse(held + count)
        return True

    def _parse(self, end: int) -> None:
        """Hand on the answers that are complete, and keep the rest.

        What a signal's handler raised in code of the program comes out of here.
        """
        view = self._view
        begin = 0
        answered = self._answered
        unpack_from = ANSWER.unpack_from
        head = ANSWER.size
        try:
            while end - begin >= head:
                kind, flags, buffers, number, size, began, ended = unpack_from(view, begin)
                body = begin + head
                stop = body + size
                if stop > end:
                    break
                begin = stop
                answered(kind, flags, buffers, number, view[body:stop], began, ended)
        except BaseException:
            self._loop.call_soon(self._parse_held)
            raise
        finally:
            if begin and begin < end:
                left = bytes(view[begin:end])
                view[: len(left)] = left
            self._held = end - begin

    def _parse_held(self) -> None:
        """Go on where an exception kept answers from being handed on."""
        self._parse(self._held)
        self._read()

    def look(self) -> None:
        """Read what a worker that lives has noted, and has been too busy to send."""
        tail, self._tail = self._tail, self.ledger.words[TAIL]
        while self._taken < tail:
            noted = self.ledger.read(self._taken, min(tail, self._taken + READ))
            if self.ledger.words[TAIL] - self._taken > JOURNAL - LONGEST:
                return  # it was sent, and is being overwritten
            self._take(noted)
        if self._taken > self._arrived:
            self._read()

    def drain(self) -> None:
        """Read all that a dead worker sent and noted."""
        # Not until the end of the stream: a child that the worker forked may hold it open.
        while self._reads and self._receive():
            pass
        self._stop_reading()
        while self._taken < self.ledger.words[TAIL]:
            end = min(self.ledger.words[TAIL], self._taken + READ)
            self._take(self.ledger.read(self._taken, end))

    def _take(self, data: bytes) -> None:
        self._taken += len(data)
        held = self._held
        self._view[held : held + len(data)] = data
        self._parse(held + len(data))

    def _stop_reading(self) -> None:
        if self._reads:
            self._reads = False
            self._loop.remove_reader(self._descriptor)

    def close(self) -> None:
        """Let go of all; of a loop that is closed too."""
        self.handed_over_if_not()
        if not self._loop.is_closed():
            self._stop_reading()
            if self._backlog:
                self._loop.remove_writer(self._descriptor)
        self._reads = False
        self.stream.close()
        self.side.close()

    def handed_over_if_not(self) -> None:
        if self._their_stream.fileno() >= 0:
            self.handed_over()
