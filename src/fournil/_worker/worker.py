"""Worker's main loop: it reads calls, runs them one after the other, and answers."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextvars import copy_context
from time import perf_counter_ns, thread_time_ns
from types import CoroutineType, FrameType

from fournil._worker import handlers, running
from fournil._worker.control_block import BEGAN, COUNTS, CPU, INTERRUPT, WINDOW, ControlBlock
from fournil._worker.handlers import pass_on
from fournil._worker.imports import after_import
from fournil._worker.naming import described
from fournil._worker.own import OwnSocket
from fournil._worker.pickling.failure import add_note, pack_error, traceback_of, unpack_error
from fournil._worker.pickling.packing import pack, unpack
from fournil._worker.pickling.variables import set_values
from fournil._worker.receiver import Receiver
from fournil._worker.sender import Sender
from fournil._worker.wire import ANSWER, ASK, KEYWORDS, LARGEST, LONGEST, Answer, Ask
from fournil.errors import CannotTravelError

TYPE_CHECKING = False  # typing takes longer to import than all else
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from fournil._worker.pickling.variables import Values

INTERRUPTS = signal.SIGRTMIN + 5
"""The signal that asks a worker to look whether its call is to be interrupted."""

PROMPT_NS = 200_000
"""Answers wait at most so long for others to be sent with."""

CALL = int(Ask.CALL)


class Worker:
    """One worker process.

    All of it belongs to the main thread, in which calls come, run and are answered.

    Args:
        name: for messages.
        stream: the socket on which calls come and answers go.
        side: the socket on which descriptors come and go.
        control_block: the memory that outlives this process.
        told: what all workers need to know.
    """

    def __init__(
        self,
        name: str,
        stream: OwnSocket,
        side: OwnSocket,
        control_block: ControlBlock,
        told: dict[str, Any],
    ) -> None:
        self.name = name
        self.stream = stream
        self.side = side
        self.control_block = control_block
        self.words = control_block.words
        self.sender = Sender(stream, control_block)
        self.functions: dict[int, Any] = {}
        self.flushed_ns = 0
        self.current = 0  # the call that runs
        self.interrupted = 0  # the call that was interrupted last: none is twice
        self.made_payloads: Any = None  # when they are needed: ctypes takes milliseconds
        self.thread = threading.get_ident()
        self.levels: dict[str, int] = told["levels"]
        self.most_memory: int | None = told["most_memory"]
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
        if not current or self.interrupted == current:
            return
        if self.words[INTERRUPT] == current:
            self.interrupted = current
            from asyncio import CancelledError

            raise CancelledError

    # What differs where the worker is no process.

    def heed_interrupts(self) -> None:
        """From now on `interrupt` is called in this thread when the parent asks for it."""
        signal.signal(INTERRUPTS, self.interrupt)

    settles = False  # a signal's handler sees whether the call runs still

    def settle(self, number: int) -> None:
        """Return when no interruption can come any more of a call that has ended."""

    def is_interruption(self, error: BaseException) -> bool:
        """Return whether an exception is what interrupts the call that runs."""
        return (
            self.interrupted == self.current != 0
            and threading.get_ident() == self.thread
            and type(error).__name__ == "CancelledError"
        )

    # Calls.

    def serve(self) -> None:
        """Run calls until there is no parent any more, or it wants no more of them."""
        running.runs[self.thread] = self
        running.is_worker = True
        handlers.is_interruption = self.is_interruption
        self.heed_interrupts()
        os.register_at_fork(after_in_child=self.forked)
        after_import("logging", self.send_logs)
        try:
            self.run_calls()
        finally:
            self.sender.end()
            if self.made_payloads is not None:
                self.made_payloads.close()

    def run_calls(self) -> None:
        buffer = bytearray(1 << 18)
        view = memoryview(buffer)
        receiver = Receiver(self.stream)
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
                    self.handle(kind, flags, buffers, number, other, body)
                    if self.broken:
                        return
            if begin == end:
                begin = end = 0
            elif len(buffer) - begin < LONGEST:
                left = bytes(view[begin:end])
                view[: len(left)] = left
                begin, end = 0, len(left)
            count = self.sender.wait(receiver.receive, view[end:])
            if not count:
                return
            end += count
            self.flushed_ns = perf_counter_ns()

    def run(self, flags: int, buffers: int, number: int, function: int, body: memoryview) -> None:
        """Run a call, unless it was taken back, and answer."""
        self.words[BEGAN] = number
        if self.control_block.revoked[number % WINDOW]:
            self.answer(Answer.SKIPPED, 0, 0, number, b"", 0, 0)
            return
        called = value = failed = error = None
        packed: bytes = b""
        big: list[memoryview] = []
        began = ended = cpu = 0
        try:
            try:
                # All that code of the program does is a part of the call, and can be interrupted:
                # to unpickle what the function is given, and to pickle what it returns or raises.
                self.current = number
                args = self.unpack(flags, buffers, body) if body else ()
                called = self.functions[function]
                if type(called) is Unusable:
                    called.fail()
                if self.words[COUNTS]:
                    cpu = thread_time_ns()
                began = perf_counter_ns()
                if flags & KEYWORDS:
                    value = _with_keywords(called, *args)
                else:
                    value = called(*args)
                ended = perf_counter_ns()
                if value is not None:
                    if type(value) is CoroutineType:
                        raise running.refuse(called, value)
                    packed, big = self.pack(value)
                self.current = 0
            except BaseException as raised:
                ended = ended or perf_counter_ns()
                failed = self.pack_error(raised)
                self.current = 0
            if self.settles:
                self.settle(number)
        except BaseException as raised:
            # It came when the call had ended already, one way or the other. What an interruption
            # came into (its context) may be an exception that does not let itself be packed.
            error = type(raised)() if self.is_interruption(raised) else raised
            self.current = 0
            failed = self.pack_error(error)
        sender = self.sender
        if sender.ended:
            leave_fork(failed)
        began = began or ended
        if cpu:
            self.words[CPU] += thread_time_ns() - cpu
        args = called = value = error = None
        if failed is not None:
            self.answer_packed(Answer.ERROR, number, failed, [], began, ended)
        elif not big and len(packed) <= LARGEST:
            self.answer(Answer.VALUE, 0, 0, number, packed, began, ended)
        else:
            self.answer_packed(Answer.VALUE, number, packed, big, began, ended)
        if self.most_memory is not None and not self.retiring:
            self.retire_if_big(self.most_memory)
        if ended - self.flushed_ns > PROMPT_NS or sender.logged or sender.returned:
            sender.flush()
            self.flushed_ns = perf_counter_ns()

    def unpack(self, flags: int, buffers: int, body: memoryview) -> Any:
        try:
            if not buffers:
                return unpack(body, [])
            body, views = self.payloads.views(flags, buffers, body)
            return unpack(body, views)
        except BaseException as error:
            pass_on(error)
            failed = unpacking_failed(error)
            if failed is None:
                raise
            raise failed from error

    def pack(self, value: object) -> tuple[bytes, list[memoryview]]:
        """Return what a call returned as bytes and buffers; raise what to answer if that fails."""
        try:
            return pack(value)
        except BaseException as why:
            pass_on(why)
            from fournil._worker.pickling.refusing import AS_ITS_PARTS, refusal

            raise refusal("the result", value, why, instead=AS_ITS_PARTS) from why

    def pack_error(self, error: BaseException) -> bytes:
        """Return an exception as bytes, and let go of the frames that it came by."""
        packed = pack_error(error, f"(raised in {self.name}, process {os.getpid()})")
        traceback_of.__set__(error, None)
        return packed

    # What else a parent says.

    def handle(
        self, kind: int, flags: int, buffers: int, number: int, other: int, body: memoryview
    ) -> None:
        """Do what a record says that is no call."""
        match kind:
            case Ask.FUNCTION:
                self.functions[number] = self.load(flags, buffers, body)
            case Ask.FORGET:
                self.functions.pop(number, None)
            case Ask.START:
                self.start(flags, buffers, body)
            case Ask.PATH:
                told = self.unpack(flags, buffers, body)
                sys.path[:] = [*told, *(entry for entry in sys.path if entry not in told)]
            case _:
                self.payloads.told(kind, number, other, body)

    @property
    def payloads(self) -> Any:
        if self.made_payloads is None:
            from fournil._worker.payloads import Payloads

            self.made_payloads = Payloads(self.side, self.sender)
        return self.made_payloads

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
            self.broken = True
            return
        self.answer(Answer.READY, 0, 0, 0, b"", 0, 0)

    # Answers.

    def answer(
        self, kind: int, flags: int, buffers: int, number: int, body: bytes, began: int, ended: int
    ) -> None:
        head = ANSWER.pack(kind, flags, buffers, number, len(body), ended, ended - began)
        self.sender.write(head + body)

    def answer_packed(
        self, kind: int, number: int, body: bytes, big: list[memoryview], began: int, ended: int
    ) -> None:
        flags = buffers = 0
        if big or len(body) > LARGEST:
            try:
                flags, buffers, body = self.payloads.place(body, big)
            except (OSError, ValueError) as why:
                error = MemoryError(f"there is no shared memory for what it returned: {why}")
                self.answer_error(Answer.ERROR, number, error, began, ended)
                return
        self.answer(kind, flags, buffers, number, body, began, ended)

    def answer_error(
        self, kind: int, number: int, error: BaseException, began: int, ended: int
    ) -> None:
        self.answer_packed(kind, number, self.pack_error(error), [], began, ended)

    # Beside the calls.

    def send_logs(self) -> None:
        """Have what is logged here sent to the parent."""
        from fournil._worker.logs import install

        install(self.sender.log, self.levels)

    def forked(self) -> None:
        """Say no more: this is a process that a call has forked."""
        self.sender.ended = True

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


def unpacking_failed(error: BaseException) -> CannotTravelError | None:
    """Return what to raise in place of an exception that came while something was unpickled."""
    if not issubclass(type(error), Exception) or issubclass(
        type(error), StopIteration | StopAsyncIteration
    ):
        # Who awaits the call would take it for a wish to end, and it is an object's.
        return CannotTravelError(
            f"what was sent to a worker cannot be unpickled there ({described(error)})"
        )
    if issubclass(type(error), ImportError) or (
        issubclass(type(error), AttributeError) and is_of_pickle(error)
    ):
        note = (
            "(a worker imports what is pickled by its name: put the folder of the module on"
            " sys.path, or have what is in it travel by value, by"
            " cloudpickle.register_pickle_by_value(module))"
        )
        add_note(error, note)
    return None


def is_of_pickle(error: BaseException) -> bool:
    """Return whether unpickling itself raised an exception, and not code that it called."""
    traceback = traceback_of.__get__(error)
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback is not None and traceback.tb_frame.f_code is unpack.__code__


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


def work(number: int, descriptors: list[int], told: dict[str, Any]) -> NoReturn:
    """Be a worker, until there is no parent any more.

    Args:
        number: the worker's.
        descriptors: of its stream, its side and its control block.
        told: what all workers need to know.
    """
    # Ctrl-C reaches all processes of a terminal; the parent decides what becomes of its calls.
    signal.signal(signal.SIGINT, ignore)
    stream, side, memory = descriptors
    control_block = ControlBlock(memory)
    os.close(memory)
    keep_lines_whole()
    numpy_random: Any = sys.modules.get("numpy.random")
    if numpy_random is not None:
        # Of numpy's own generator all children of a process would have the same numbers.
        numpy_random.seed()
    name = f"{told['name']} {number}"
    Worker(name, OwnSocket(stream), OwnSocket(side), control_block, told).serve()
    leave()


def leave_fork(failed: bytes | None) -> NoReturn:
    """End a process that a call has forked and that came back from it: the answer is not its own.

    Args:
        failed: what it raised.
    """
    status: object = 0
    if failed is not None:
        error = unpack_error(failed)
        if isinstance(error, SystemExit):
            status = error.code or 0
        else:
            sys.excepthook(type(error), error, error.__traceback__)
            status = 1
    flush_all()
    os._exit(status if isinstance(status, int) else 1)


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
