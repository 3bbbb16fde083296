"""Payloads: arguments and results that are big, on their way through shared memory."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Protocol

from fournil._worker.handlers import is_of_a_handler, pass_on
from fournil._worker.memory.places import PLACE, READ_ONLY, Layout, views_at
from fournil._worker.memory.segments import Borrower, Lender, Segment, fill
from fournil._worker.naming import described
from fournil._worker.wire import ASK, LARGEST, RANGE, SHARED, SIZE, Answer, Ask
from fournil.errors import PoolError
from fournil.offload import shared

if TYPE_CHECKING:
    import asyncio

    from fournil.offload.call import Call
    from fournil.offload.calls import Calls
    from fournil.offload.isolated.channel import Channel
    from fournil.offload.isolated.dispatch import Slot
    from fournil.offload.isolated.functions import Sent

AT_ONCE = 1 << 20
"""Up to so many bytes are copied by the loop itself: a hop to a thread takes as long."""

KEPT = 1 << 28
"""So many bytes of memory that is not in use are kept for the next call."""

KEPT_S = 5.0
"""What is more, and what was not used for so long, the kernel has back."""


class Receiver(Protocol):
    """Worker that payloads go to; its loop's thread's alone."""

    loop: asyncio.AbstractEventLoop
    channel: Channel
    slot: Slot[Call[Any]]
    calls: Calls

    def append(
        self,
        call: Call[Any],
        function: Sent,
        flags: int,
        buffers: int,
        body: bytes,
        records: list[bytes],
        /,
    ) -> int:
        """Append the records of a call; return its number."""

    def send_again(self, call: Call[Any], /) -> None:
        """Have another worker run a call that did not come to this one."""

    def has_room(self) -> None:
        """Have calls sent: one that was on its way here has come, or never will."""


class Payloads:
    """Payloads of one worker; its loop's thread's alone."""

    def __init__(self, worker: Receiver) -> None:
        self._worker = worker
        self._lender = Lender()
        self._borrower: Borrower | None = None
        self._of_calls: dict[int, Segment] = {}  # what was filled, until the call is answered
        self._known: dict[int, shared.Shared] = {}  # shared memory that the worker has
        self._file: shared.File | None = None  # whose descriptor the worker has
        self._trims = False
        self._closed = False

    # There.

    def now(
        self, body: bytes, big: list[memoryview], records: list[bytes]
    ) -> tuple[int, int, bytes]:
        """Put what is big into shared memory, whatever time it takes.

        Returns:
            flags, how many buffers, and the body of the record.
        """
        if not big and len(body) <= LARGEST:
            return 0, 0, body
        layout = self._layout(body, big, records)
        if not layout.size:
            return layout.record(0)[:3]
        try:
            segment = self._lender.take(layout.size) or self._lender.make(layout.size)
        except (OSError, ValueError) as error:
            raise _no_memory(layout.size, error) from error
        self._tell(segment, records)
        flags, buffers, body, parts = layout.record(segment.number)
        fill(segment.memory, parts)
        return flags, buffers, body

    def _layout(self, body: bytes, big: list[memoryview], records: list[bytes]) -> Layout:
        return Layout(body, big, [self._shared_place(part, records) for part in big])

    def _tell(self, segment: Segment, records: list[bytes]) -> None:
        """Append what tells the worker of memory, if it does not have that yet."""
        if segment.descriptor < 0:
            return
        self._worker.channel.send_descriptor(segment.descriptor)
        segment.close_descriptor()
        size = SIZE.pack(segment.size)
        records.append(ASK.pack(Ask.SEGMENT, 0, 0, segment.number, 0, len(size)) + size)

    def send(
        self,
        call: Call[Any],
        function: Sent,
        flags: int,
        body: bytes,
        big: list[memoryview],
        records: list[bytes],
    ) -> None:
        """Have a worker run a call with big arguments: now, or when they are copied."""
        layout = self._layout(body, big, records)
        payload = Payload(call, function, flags, layout)
        call.bytes_out = len(body) + sum(part.nbytes for part in layout.copied)
        if not layout.size:
            self._append(payload, None, records)
            return
        segment = self._lender.take(layout.size)
        try:
            self._fill(payload, segment, records)
        except BaseException:
            # No function could be sent, or no thread be started.
            if segment is not None:
                self._lender.returned(segment.number)
            raise
        self._worker.slot.heavy += 1

    def _fill(self, payload: Payload, segment: Segment | None, records: list[bytes]) -> None:
        """Have memory filled, and then the call sent: now, or in a thread."""
        layout = payload.layout
        if segment is not None and layout.size <= AT_ONCE:
            fill(segment.memory, layout.record(segment.number)[3])
            self._append(payload, segment, records)
            return
        from fournil.offload.threads import run_unseen

        number = self._lender.number() if segment is None else segment.number
        filled = run_unseen(_filled, segment, number, layout)
        filled.add_done_callback(lambda filled: self._loaded(payload, filled))
        self._worker.slot.loading += 1

    def _shared_place(self, part: memoryview, records: list[bytes]) -> bytes | None:
        """Return where a buffer stands in shared memory, of which the worker is told; or None."""
        found = shared.find(part)
        if found is None:
            return None
        memory, offset = found
        number = memory.number + SHARED
        if memory.number not in self._known:
            if memory.file is not self._file and not memory.file.is_there():
                return None  # somebody closed its descriptor: it is copied
            self._known[memory.number] = memory
            memory.users[id(self)] = self._withdraw_soon
            if memory.file is not self._file:
                self._file = memory.file
                self._worker.channel.send_descriptor(memory.file.descriptor)
                records.append(ASK.pack(Ask.FILE, 0, 0, 0, 1, 0))
            where = RANGE.pack(memory.size, memory.offset)
            records.append(ASK.pack(Ask.SHARED, 0, 0, number, 0, len(where)) + where)
        return PLACE.pack(number, READ_ONLY, offset, part.nbytes)

    def _withdraw_soon(self, number: int) -> None:
        try:
            self._worker.loop.call_soon_threadsafe(self._withdraw, number)
        except RuntimeError:
            pass  # the loop is closed, and the worker gone with it, or soon

    def _withdraw(self, number: int) -> None:
        if number in self._known:
            self._worker.channel.write(ASK.pack(Ask.WITHDRAWN, 0, 0, number + SHARED, 0, 0))

    def _unused(self, number: int, was_forked: bool) -> None:
        """Note that the worker has no view any more of shared memory that was withdrawn."""
        memory = self._known.pop(number, None)
        if memory is None:
            return
        memory.was_forked |= was_forked
        memory.left_by(id(self))
        if not self._known:
            self._file = None
            self._worker.channel.write(ASK.pack(Ask.FILE, 0, 0, 0, 0, 0))

    def _loaded(self, payload: Payload, filled: Call[Segment]) -> None:
        """Send a call whose arguments are in shared memory now."""
        worker = self._worker
        calls = worker.calls
        call = payload.call
        raised: BaseException | None = None
        worker.slot.loading -= 1
        error = None if filled.cancelled() else filled.exception()
        segment = None if filled.cancelled() or error is not None else filled.result()
        if segment is not None:
            if self._closed:
                segment.close()
            else:
                self._lender.add(segment)
        if call.cancelling:
            calls.drop(call)
        elif isinstance(error, OSError | ValueError | MemoryError):
            error = _no_memory(payload.layout.size, error)
            calls.ended(call, None, error, perf_counter_ns())
        elif error is not None:
            calls.ended(call, None, error, perf_counter_ns())
        elif segment is not None and not self._closed:
            records: list[bytes] = []
            try:
                self._append(payload, segment, records)
                return
            except BaseException as why:
                raised = why
            finally:
                worker.channel.write(b"".join(records))
            if is_of_a_handler(raised):
                calls.drop(call)
            else:
                calls.ended(call, None, _not_sent(payload.layout.size, raised), perf_counter_ns())
        else:
            worker.send_again(call)  # this one died meanwhile
        worker.slot.heavy -= 1
        if segment is not None and not self._closed:
            self._lender.returned(segment.number)
        worker.has_room()
        if raised is not None:
            pass_on(raised)

    def _append(self, payload: Payload, segment: Segment | None, records: list[bytes]) -> None:
        if segment is not None:
            self._tell(segment, records)
        flags, buffers, body, _ = payload.layout.record(0 if segment is None else segment.number)
        number = self._worker.append(
            payload.call, payload.function, payload.flags | flags, buffers, body, records
        )
        if segment is not None:
            self._of_calls[number] = segment

    def answered(self, number: int) -> None:
        """Note that a call has ended; the worker gives the memory back when it needs it no more."""
        if self._of_calls.pop(number, None) is not None:
            self._worker.slot.heavy -= 1

    def skipped(self, number: int) -> None:
        """Have back what was filled for a call that the worker never looks at."""
        segment = self._of_calls.pop(number, None)
        if segment is not None:
            self._worker.slot.heavy -= 1
            self._returned(segment.number)

    # Back.

    def views(
        self, flags: int, buffers: int, body: memoryview
    ) -> tuple[memoryview, list[memoryview]]:
        """Return what was packed, and its buffers, of an answer."""
        assert self._borrower is not None
        return views_at(self._borrower, flags, buffers, body)

    def told(self, kind: int, flags: int, number: int, body: memoryview) -> None:
        """Do what the worker says of memory."""
        match kind:
            case Answer.SEGMENT:
                if self._borrower is None:
                    self._borrower = Borrower(_give_back_to(self, self._worker.loop))
                descriptor = self._worker.channel.receive_descriptor()
                self._borrower.lent(number, descriptor, SIZE.unpack(body)[0])
            case Answer.WITHDRAWN:
                assert self._borrower is not None
                self._borrower.withdrawn(number)
            case Answer.RETURNED if number >= SHARED:
                self._unused(number - SHARED, bool(flags))
            case Answer.RETURNED:
                self._returned(number, bool(flags))

    def _returned(self, number: int, was_forked: bool = False) -> None:
        self._lender.returned(number, was_forked)
        if self._lender.free_size > KEPT:
            self._withdraw_all(self._lender.shrink(KEPT))
        self._trim_later()

    def _withdraw_all(self, numbers: list[int]) -> None:
        for number in numbers:
            self._worker.channel.write(ASK.pack(Ask.WITHDRAWN, 0, 0, number, 0, 0))

    def give_back(self, number: int, was_forked: bool) -> None:
        """Let the worker have again what it lent."""
        if not self._closed:
            self._worker.channel.write(ASK.pack(Ask.RETURNED, 0, 0, number, was_forked, 0))
            self._trim_later()

    def _trim_later(self) -> None:
        if not self._trims:
            self._trims = True
            self._worker.loop.call_later(KEPT_S, _trim, weakref.ref(self))

    def trim(self) -> None:
        """Let go of memory that was not used lately, on both sides."""
        self._trims = False
        if self._closed:
            return
        self._withdraw_all(self._lender.trim())
        self._worker.channel.write(ASK.pack(Ask.TRIM, 0, 0, 0, 0, 0))
        if self._lender.free:
            self._trim_later()

    def close(self) -> None:
        """Let go of all: the worker is gone."""
        self._closed = True
        self._lender.close()
        known, self._known = self._known, {}
        for memory in known.values():
            memory.left_by(id(self))


class Payload:
    """A call with big arguments."""

    __slots__ = ("call", "flags", "function", "layout")

    def __init__(self, call: Call[Any], function: Sent, flags: int, layout: Layout) -> None:
        self.call = call
        self.function = function
        self.flags = flags
        self.layout = layout


def _filled(segment: Segment | None, number: int, layout: Layout) -> Segment:
    """Return memory filled with what travels, in any thread."""
    made = Segment(number, layout.size) if segment is None else segment
    fill(made.memory, layout.record(number)[3])
    return made


def _no_memory(size: int, error: BaseException) -> PoolError:
    return PoolError(
        f"there is no shared memory for {size:,} bytes of arguments: {error}; give smaller pieces"
    )


def _not_sent(size: int, error: BaseException) -> BaseException:
    if not isinstance(error, OSError | MemoryError):
        return error
    made = PoolError(
        f"{size:,} bytes of arguments could not be sent ({described(error)}); give smaller pieces"
    )
    made.__cause__ = error
    return made


def _give_back_to(
    payloads: Payloads, loop: asyncio.AbstractEventLoop
) -> Callable[[int, bool], None]:
    """Return what gives memory back, from any thread, and holds no pool."""
    held = weakref.ref(payloads)
    process = os.getpid()

    def soon(number: int, was_forked: bool) -> None:
        found = held()
        if found is not None:
            found.give_back(number, was_forked)

    def give_back(number: int, was_forked: bool) -> None:
        if os.getpid() != process:
            return  # the loop is another process's
        try:
            loop.call_soon_threadsafe(soon, number, was_forked)
        except RuntimeError:
            pass  # the loop is closed

    return give_back


def _trim(held: weakref.ref[Payloads]) -> None:
    payloads = held()
    if payloads is not None:
        payloads.trim()
