"""Records over a socket pair: the parent's side of one worker."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from contextlib import ExitStack

from fournil._worker.control_block import JOURNAL, TAIL, ControlBlock, new_file
from fournil._worker.handlers import is_of_a_handler
from fournil._worker.own import OwnSocket, own_pair
from fournil._worker.wire import ANSWER, LONGEST
from fournil.offload.watching import Watched

READ = 1 << 14
"""So many bytes are read in one step of the loop; then others have their turn."""

Answered = Callable[[int, int, int, int, memoryview, int, int], None]
"""Takes kind, flags, buffers, number, body, when the call had run, and for how long."""


class Garbage(Exception):  # noqa: N818
    """Bytes of a worker that are no answer; the text says what they are."""


class Channel:
    """Sends records to a worker and reads its answers.

    Answers come from the socket; what the worker has noted in its control block and not sent, since
    it is busy or dead, is read there. Both are one stream of bytes, counted from its beginning.

    Args:
        loop: the loop in whose thread all of this is used.
        answered: called with each answer; the body is valid until it returns.
        read: called after some were read.
        failed: called once, with what happened, when nothing can be sent or believed any more.

    Raises:
        OSError: there is no descriptor or no memory left.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        answered: Answered,
        read: Callable[[], None],
        failed: Callable[[str, Exception | None], None],
    ) -> None:
        self._loop = loop
        self._answered = answered
        self._read = read
        self._failed = failed
        # Descriptors may run out in between.
        with ExitStack() as opened:
            self.stream, self._their_stream = map(opened.enter_context, own_pair())
            self.side, self._their_side = map(opened.enter_context, own_pair())
            self._their_control_block = new_file()
            opened.callback(self._their_control_block.close)
            self.control_block = ControlBlock(self._their_control_block.descriptor)
            opened.callback(self.control_block.close)
            self.stream.setblocking(False)
            self._send = _sender(self.stream)
            self._backlog: list[bytes] = []  # not taken by the socket so far
            self._arrived = 0  # bytes that came by the socket
            self._taken = 0  # bytes that came, by the socket or the control block
            self._tail = 0  # what the control block counted when it was looked at last
            self._buffer = bytearray(READ + LONGEST)
            self._view = memoryview(self._buffer)
            self._held = 0  # bytes of an answer that is not complete, at the buffer's beginning
            self._reads = True
            self._is_failed = False
            self._ending = False
            self._watched = Watched(loop, self.stream.fileno(), self._readable)
            opened.pop_all()

    def their_descriptors(self) -> list[int]:
        """Return what the worker is to be started with.

        Raises:
            OSError: they were closed by somebody else.
        """
        if not (self._their_stream.is_there() and self._their_side.is_there()):
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return [
            self._their_stream.fileno(),
            self._their_side.fileno(),
            self._their_control_block.descriptor,
        ]

    def handed_over(self) -> None:
        """Let go of what the worker has now."""
        self._their_stream.close()
        self._their_side.close()
        self._their_control_block.close()

    def check(self) -> None:
        """Say that it failed, if somebody else has closed it."""
        if not (self.stream.is_there() and self.side.is_there()):
            self.fail_as_closed()

    def fail_as_closed(self) -> None:
        """Say that it failed, since somebody else has closed what leads to the worker."""
        self._fail(
            "cannot be reached: code of this program closed descriptors of its pool, or gave their"
            " numbers to others; whoever closes all descriptors must do so before there is a pool",
            None,
        )

    # To the worker.

    def write(self, data: bytes) -> None:
        """Send records, in time."""
        if not self._backlog:
            try:
                sent = self._send(data)
            except OSError:
                return  # it is dead; what becomes of its calls is decided when that is told
            if sent == len(data):
                return
            if sent < 0:
                self.fail_as_closed()
                return
            data = data[sent:]
            self._watched.when_writable(self._writable)
        self._backlog.append(data)

    def _writable(self) -> None:
        data = b"".join(self._backlog)
        self._backlog.clear()
        self.write(data)
        if not self._backlog and self._ending:
            self.end()

    def send_descriptor(self, descriptor: int) -> None:
        """Send a descriptor, before the record that tells of it."""
        if not self.side.is_there():
            self.fail_as_closed()
            return
        try:
            socket.send_fds(self.side, [b"s"], [descriptor])
        except ConnectionError:
            pass  # as above

    def receive_descriptor(self) -> int:
        """Return the descriptor that a record told of, which was sent before.

        Raises:
            Garbage: none was.
            OSError: there is none left in this process for it.
        """
        try:
            _, descriptors, flags, _ = socket.recv_fds(self.side, 1, 1, socket.MSG_DONTWAIT)
        except BlockingIOError:
            raise Garbage("a record that tells of a descriptor which was not sent") from None
        if descriptors:
            return descriptors[0]
        if flags & socket.MSG_CTRUNC:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        raise Garbage("what has no descriptor, where descriptors are sent")

    def end(self) -> None:
        """Say that no more comes: the worker ends when it has done what it has."""
        self._ending = True
        if not self._backlog and self.stream.is_there():
            try:
                self.stream.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it is dead

    # From the worker.

    def _readable(self) -> None:
        if self._receive():
            self._read()

    def _receive(self) -> bool:
        """Take what the socket has; return False if it has nothing, or nothing that is right."""
        if not self._reads:
            return False
        view = self._view
        held = self._held
        try:
            count = self.stream.recv_into(view[held : held + READ])
        except BlockingIOError:
            return False
        except OSError:
            count = 0
        if not count:
            # The worker is dead, or will be; that and how is told by its reaper.
            self.stop()
            return False
        known = self._taken - self._arrived
        self._arrived += count
        if self._arrived > self.control_block.words[TAIL]:
            self._fail_by(f"{self._arrived - self.control_block.words[TAIL]:,} bytes too many")
            return False
        if known:
            # The control block told it before.
            known = min(known, count)
            view[held : held + count - known] = view[held + known : held + count]
            count -= known
        self._taken += count
        return self._parse(held + count)

    def _parse(self, end: int) -> bool:
        """Hand on the answers that are complete, and keep the rest; return False if it failed.

        What a signal's handler raised in code of the program comes out of here.
        """
        view = self._view
        begin = 0
        answered = self._answered
        unpack_from = ANSWER.unpack_from
        head = ANSWER.size
        try:
            while end - begin >= head:
                kind, flags, buffers, number, size, ended, ran = unpack_from(view, begin)
                body = begin + head
                stop = body + size
                if stop > end:
                    if stop - begin > LONGEST:
                        raise Garbage(f"a record of {size:,} bytes")
                    break
                begin = stop
                answered(kind, flags, buffers, number, view[body:stop], ended, ran)
        except Garbage as what:
            self._fail_by(str(what))
            return False
        except BaseException as why:
            if not isinstance(why, Exception) or is_of_a_handler(why):
                self._loop.call_soon(self._parse_held)
                raise
            self._fail_by(f"what led to {type(why).__name__}, {why}", why)
            return False
        finally:
            if begin and begin < end:
                left = bytes(view[begin:end])
                view[: len(left)] = left
            self._held = end - begin
        return True

    def _parse_held(self) -> None:
        """Go on where an exception kept answers from being handed on."""
        if self._parse(self._held):
            self._read()

    def look(self) -> None:
        """Read what a worker that lives has noted, and has been too busy to send."""
        tail, self._tail = self._tail, self.control_block.words[TAIL]
        while self._reads and self._taken < tail:
            noted = self.control_block.read(self._taken, min(tail, self._taken + READ))
            if self.control_block.words[TAIL] - self._taken > JOURNAL - LONGEST:
                return  # it was sent, and is being overwritten
            self._take(noted)
        if self._taken > self._arrived:
            self._read()

    def drain(self) -> None:
        """Read all that a dead worker sent and noted, as far as it can be read and is right."""
        # Not until the end of the stream: a child that the worker forked may hold it open.
        while self.stream.is_there() and self._receive():
            pass
        self.stop()
        while not self._is_failed and self._taken < (tail := self.control_block.words[TAIL]):
            if tail - self._taken > JOURNAL:
                self._fail(
                    f"noted {tail - self._taken:,} bytes of answers that it did not send", None
                )
                return
            self._take(self.control_block.read(self._taken, min(tail, self._taken + READ)))

    def _take(self, data: bytes) -> None:
        self._taken += len(data)
        held = self._held
        self._view[held : held + len(data)] = data
        self._parse(held + len(data))

    def _fail_by(self, what: str, why: Exception | None = None) -> None:
        self._fail(
            f"sent {what}, where it answers: code there writes to descriptors, or to memory, that"
            " are not its own",
            why,
        )

    def _fail(self, text: str, why: Exception | None) -> None:
        if not self._is_failed:
            self._is_failed = True
            self.stop()
            self._failed(text, why)

    def stop(self) -> None:
        """Read and write no more."""
        self._reads = False
        self._watched.end()

    def close(self) -> None:
        """Let go of all; of a loop that is closed too."""
        self._watched.end()
        self._close()

    def leave(self) -> None:
        """Let go, in a forked child, of what is its parent's."""
        self._close()
        self._watched.end_in_child()

    def _close(self) -> None:
        self._reads = False
        self._is_failed = True
        # Each is a bound method of what holds this.
        self._answered = self._read = self._failed = _nothing
        self.handed_over()
        self.stream.close()
        self.side.close()
        self.control_block.close()


def _sender(stream: OwnSocket) -> Callable[[bytes], int]:
    """Return what sends: it returns how many bytes were taken, or -1 if the socket is not there."""
    try:
        from fournil._native import owned
    except ImportError:
        pass  # Cython's modules do not load in interpreters beside the main one
    else:
        return owned.Owned(stream.fileno()).send

    def send(data: bytes) -> int:
        try:
            return stream.send(data) if stream.is_there() else -1
        except BlockingIOError:
            return 0

    return send


def _nothing(*_: object) -> None:
    pass
