"""What a worker does: it reads calls, runs them one after the other, and answers."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections import deque
from contextvars import copy_context
from time import perf_counter_ns, thread_time_ns
from types import CoroutineType, FrameType

from fournil._worker import running
from fournil._worker.failure import pack_error
from fournil._worker.imports import after_import
from fournil._worker.inlet import Inlet
from fournil._worker.ledger import BEGAN, COUNTS, CPU, INTERRUPT, JOURNAL, SLOTS, Ledger
from fournil._worker.packing import pack, refusal, unpack
from fournil._worker.variables import set_values
from fournil._worker.wire import ANSWER, ASK, KEYWORDS, LARGEST, LONGEST, SIZE, Answer, Ask

TYPE_CHECKING = False  # typing takes longer to import than all else
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from fournil._worker.variables import Values

INTERRUPTS = signal.SIGRTMIN + 5
"""The signal that asks a worker to look whether its call is to be interrupted."""

PROMPT_NS = 200_000
"""Answers wait so long for others to be sent with."""

LOG_FIELDS = ("name", "levelno", "levelname", "created", "process", "funcName", "lineno")
"""Of a log record that is too long to travel, or holds what cannot, these go with its message."""

CALL = int(Ask.CALL)


class Worker:
    """One worker process.

    All of it belongs to the main thread but `returned` and `logged`, to which any thread appends.

    Args:
        name: for messages.
        stream: the socket on which calls come and answers go.
        side: the socket on which descriptors come and go.
        ledger: the memory that outlives this process.
        setup: what the pool said of all its workers.
    """

    def __init__(
        self,
        name: str,
        stream: socket.socket,
        side: socket.socket,
        ledger: Ledger,
        setup: dict[str, Any],
    ) -> None:
        self.name = name
        self.stream = stream
        self.side = side
        self.ledger = ledger
        self.words = ledger.words
        self.position = 0  # of what was answered, since the beginning
        self.sent = 0  # of that
        self.flushed_ns = 0
        self.functions: dict[int, Any] = {}
        self.current = 0  # the call that runs
        self.interrupted = 0  # the call that was interrupted last: none is twice
        self.masked = False  # in our own code, in the midst of a call: not now
        self.lender: Any = None  # made when they are needed: ctypes takes milliseconds
        self.borrower: Any = None
        self.returned: deque[int] = deque()
        self.logged: deque[bytes] = deque()
        self.thread = threading.get_ident()
        self.levels: dict[str, int] = setup["levels"]
        self.most_memory: int | None = setup["most_memory"]
        self.retiring = False
        self.broken = False  # the initializer failed

    # As what runs calls in this thread: see `running`.

    @property
    def call(self) -> Worker | None:
        return self if self.current else None

    @property
    def cancelling(self) -> bool:
        return self.words[INTERRUPT] == self.current

    def interrupt(self, number: int, frame: FrameType | None) -> None:
        """Raise in the call that runs, if it is the one that the parent wants to end."""
        current = self.current
        if self.masked or not current or self.interrupted == current:
            return
        if self.words[INTERRUPT] == current:
            self.interrupted = current
            from asyncio import CancelledError

            raise CancelledError

    # What differs where the worker is no process.

    def heed_interrupts(self) -> None:
        """From now on `interrupt` is called in this thread when the parent asks for it."""
        signal.signal(INTERRUPTS, self.interrupt)

    def mask(self) -> None:
        """Let no interruption come into our own code, in the midst of a call."""
        self.masked = True

    settles = False  # a signal's handler sees whether the call runs still

    def settle(self, number: int) -> None:
        """Return when no interruption can come any more of a call that has ended."""

    def lost(self) -> None:
        """There is no parent any more, and nobody to tell."""
        os._exit(1)

    # Calls.

    def serve(self) -> None:
        """Run calls until there is no parent any more, or it wants no more of them."""
        running.runs[self.thread] = self
        self.heed_interrupts()
        after_import("logging", self.send_logs)
        buffer = bytearray(1 << 18)
        view = memoryview(buffer)
        inlet = Inlet(self.stream)
        begin = end = 0
        size_of_head = ASK.size
        head = ASK.unpack_from
        while True:
            while end - begin >= size_of_head:
                kind, flags, buffers, number, other, size = head(buffer, begin)
                stop = begin + size_of_head + size
                if stop > end:
                    break
                body = view[begin + size_of_head : stop]
                begin = stop
                if kind == CALL:
                    self.run(flags, buffers, number, other, body)
                else:
                    self.handle(kind, flags, buffers, number, body)
                    if self.broken:
                        return
            self.flush()
            if begin == end:
                begin = end = 0
            elif len(buffer) - begin < LONGEST:
                left = bytes(view[begin:end])
                view[: len(left)] = left
                begin, end = 0, len(left)
            count = inlet.receive(view[end:])
            if not count:
                return
            end += count
            self.flushed_ns = perf_counter_ns()

    def run(self, flags: int, buffers: int, number: int, function: int, body: memoryview) -> None:
        """Run a call, unless it was taken back, and answer."""
        self.words[BEGAN] = number
        if self.ledger.revoked[number % SLOTS]:
            self.answer(Answer.SKIPPED, 0, 0, number, b"", 0, 0)
            return
        called = value = error = None
        began = cpu = 0
        try:
            try:
                args = self.unpack(flags, buffers, body) if body else ()
                called = self.functions[function]
                if type(called) is Unusable:
                    called.fail()
                self.current = number
                if self.words[COUNTS]:
                    cpu = thread_time_ns()
                began = perf_counter_ns()
                if flags & KEYWORDS:
                    value = _with_keywords(called, *args)
                else:
                    value = called(*args)
                self.current = 0
            except BaseException as raised:
                self.current = 0
                error = raised
            if self.settles:
                self.settle(number)
        except BaseException as raised:
            # The interruption came when the call had ended already, one way or the other.
            self.current = 0
            error = raised
        ended = perf_counter_ns()
        began = began or ended
        if cpu:
            self.words[CPU] += thread_time_ns() - cpu
        if type(value) is CoroutineType:
            error = running.refuse(called, value)
        args = called = None
        if error is not None:
            self.answer_error(Answer.ERROR, number, error, began, ended)
        elif value is None:
            self.answer(Answer.VALUE, 0, 0, number, b"", began, ended)
        else:
            try:
                packed, big = pack(value)
            except Exception as why:
                self.answer_error(
                    Answer.ERROR, number, refusal("the result", value, why), began, ended
                )
            else:
                self.answer_packed(Answer.VALUE, number, packed, big, began, ended)
        if self.most_memory is not None and not self.retiring:
            self.retire_if_big(self.most_memory)
        if ended - self.flushed_ns > PROMPT_NS:
            self.flush()

    def unpack(self, flags: int, buffers: int, body: memoryview) -> Any:
        if not buffers:
            return unpack(body, [])
        from fournil._worker.places import views_at

        body, views = views_at(self.borrower, flags, buffers, body)
        return unpack(body, views)

    # What else a parent says.

    def handle(self, kind: int, flags: int, buffers: int, number: int, body: memoryview) -> None:
        """Do what a record says that is no call."""
        match kind:
            case Ask.FUNCTION:
                self.functions[number] = self.load(flags, buffers, body)
            case Ask.FORGET:
                self.functions.pop(number, None)
            case Ask.START:
                self.start(flags, buffers, body)
            case Ask.SEGMENT:
                if self.borrower is None:
                    from fournil._worker.memory import Borrower

                    self.borrower = Borrower(self.returned.append)
                _, descriptors, _, _ = socket.recv_fds(self.side, 1, 1)
                self.borrower.add(number, descriptors[0], SIZE.unpack(body)[0], bool(flags))
            case Ask.WITHDRAWN:
                self.borrower.withdrawn(number)
            case Ask.RETURNED:
                self.lender.returned(number)
            case Ask.TRIM:
                if self.lender is not None:
                    for segment in self.lender.trim():
                        self.answer(Answer.WITHDRAWN, 0, 0, segment, b"", 0, 0)

    def load(self, flags: int, buffers: int, body: memoryview) -> Any:
        """Return a function, or what fails as its calls are to fail."""
        try:
            return self.unpack(flags, buffers, body)
        except BaseException as error:
            return Unusable(error)

    def start(self, flags: int, buffers: int, body: memoryview) -> None:
        """Get ready: run what the pool's user wants to be run first."""
        try:
            if body:
                initializer, args = self.unpack(flags, buffers, body)
                running.state = initializer(*args)
        except BaseException as error:
            self.answer_error(Answer.BROKEN, 0, error, 0, 0)
            self.flush()
            self.broken = True
            return
        self.answer(Answer.READY, 0, 0, 0, b"", 0, 0)

    # Answers.

    def answer(
        self, kind: int, flags: int, buffers: int, number: int, body: bytes, began: int, ended: int
    ) -> None:
        while self.returned:
            self.write(ANSWER.pack(Answer.RETURNED, 0, 0, self.returned.popleft(), 0, 0, 0))
        self.write(ANSWER.pack(kind, flags, buffers, number, len(body), began, ended) + body)

    def answer_packed(
        self, kind: int, number: int, body: bytes, big: list[memoryview], began: int, ended: int
    ) -> None:
        if not big and len(body) <= LARGEST:
            self.answer(kind, 0, 0, number, body, began, ended)
            return
        from fournil._worker.memory import Lender
        from fournil._worker.places import parts_of, place, record_of

        if self.lender is None:
            self.lender = Lender()
        try:
            flags, parts = parts_of(body, big)
            places, segment, is_new = place(self.lender, parts)
        except (OSError, ValueError) as why:
            error = MemoryError(f"there is no shared memory for what it returned: {why}")
            self.answer_error(Answer.ERROR, number, error, began, ended)
            return
        if is_new:
            socket.send_fds(self.side, [b"s"], [segment.descriptor])
            segment.close_descriptor()
            self.answer(Answer.SEGMENT, 0, 0, segment.number, SIZE.pack(segment.size), 0, 0)
        self.answer(kind, flags, len(parts), number, record_of(body, flags, places), began, ended)

    def answer_error(
        self, kind: int, number: int, error: BaseException, began: int, ended: int
    ) -> None:
        if error.__traceback__ is not None:
            # Without the frame of `run`, which says nothing to a reader.
            error.__traceback__ = error.__traceback__.tb_next
        body = pack_error(error, f"(raised in {self.name}, process {os.getpid()})")
        error.__traceback__ = None
        if len(body) > LARGEST:
            self.answer_packed(kind, number, body, [], began, ended)
        else:
            self.answer(kind, 0, 0, number, body, began, ended)

    def write(self, record: bytes) -> None:
        if self.position - self.sent + len(record) > JOURNAL:
            self.flush()
        self.position = self.ledger.write(self.position, record)

    def flush(self) -> None:
        """Send what was answered."""
        while self.logged:
            self.write(self.logged.popleft())
        while self.sent < self.position:
            at = self.sent % JOURNAL
            try:
                self.sent += self.stream.send(
                    self.ledger.journal[at : at + self.position - self.sent]
                )
            except ConnectionError:
                self.lost()
                self.sent = self.position
        self.flushed_ns = perf_counter_ns()

    # Beside the calls.

    def send_logs(self) -> None:
        """Have what is logged here sent to the parent."""
        from fournil._worker.logs import install

        install(self.log, self.levels)

    def log(self, fields: dict[str, object]) -> None:
        """Send a log record; at once where the call logs, else with the next answer."""
        try:
            body, buffers = pack(fields)
        except Exception:
            body, buffers = b"", []
        if not body or buffers or len(body) > LARGEST:
            # What a program adds to its records need not travel; what it says must, in short.
            text = str(fields["msg"])[: LARGEST // 8]
            kept = {key: fields[key] for key in LOG_FIELDS}
            body, _ = pack({**kept, "msg": text, "args": None})
        record = ANSWER.pack(Answer.LOG, 0, 0, 0, len(body), 0, 0) + body
        if threading.get_ident() != self.thread:
            self.logged.append(record)
            return
        try:
            self.mask()
            self.write(record)
            self.flush()
        finally:
            self.masked = False
        self.interrupt(0, None)

    def retire_if_big(self, most: int) -> None:
        with open("/proc/self/statm", "rb") as file:
            pages = int(file.read().split()[1])
        if pages * os.sysconf("SC_PAGE_SIZE") > most:
            self.retiring = True
            self.answer(Answer.RETIRING, 0, 0, 0, b"", 0, 0)


class Unusable:
    """Stands for a function that could not be unpickled here."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def fail(self) -> NoReturn:
        raise self.error


def _with_keywords(
    function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], values: Values
) -> Any:
    if not values:
        return function(*args, **kwargs)
    context = copy_context()
    context.run(set_values, values)
    return context.run(function, *args, **kwargs)


def ignore(number: int, frame: FrameType | None) -> None:
    """Handle a signal by doing nothing; unlike SIG_IGN it is not inherited by programs."""


def work(
    name: str, stream: socket.socket, side: socket.socket, ledger: int, setup: dict[str, Any]
) -> NoReturn:
    """Be a worker, until there is no parent any more."""
    # Ctrl-C reaches all processes of a terminal; the parent decides what becomes of its calls.
    signal.signal(signal.SIGINT, ignore)
    made = Ledger(ledger)
    made.close_descriptor()
    keep_lines_whole()
    numpy_random: Any = sys.modules.get("numpy.random")
    if numpy_random is not None:
        # Of numpy's own generator all children of a process would have the same numbers.
        numpy_random.seed()
    Worker(name, stream, side, made, setup).serve()
    leave()


def leave() -> NoReturn:
    """End, without the handlers of a parent that was forked."""
    flush_all()
    os._exit(0)


def keep_lines_whole() -> None:
    """Have what is printed written a line at a time: lines of several workers stay whole."""
    # With PYTHONUNBUFFERED each argument of `print` would be written by itself.
    for file in (sys.stdout, sys.stderr):
        reconfigure = getattr(file, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(line_buffering=True, write_through=False)


def flush_all() -> None:
    for file in (sys.stdout, sys.stderr):
        try:
            file.flush()
        except Exception:
            pass
