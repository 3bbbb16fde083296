"""What is big, on its way to one worker and back: through shared memory."""

from __future__ import annotations

import weakref
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from fournil._worker.memory import Borrower, Lender, Segment, fill
from fournil._worker.places import (
    LASTS,
    PLACE,
    READ_ONLY,
    parts_of,
    places_in,
    record_of,
    size_of,
    views_at,
)
from fournil._worker.wire import ASK, ELSEWHERE, LARGEST, SIZE, Answer, Ask
from fournil.errors import PoolError
from fournil.offload import shared

if TYPE_CHECKING:
    from fournil.offload.call import Call
    from fournil.offload.functions import Sent
    from fournil.offload.remote_worker import RemoteWorker

AT_ONCE = 1 << 20
"""Up to so many bytes are copied by the loop itself: a hop to a thread takes as long."""

KEPT = 1 << 28
"""So many bytes of memory that is not in use are kept for the next call."""

KEPT_S = 5.0
"""What is more, and what was not used for so long, the kernel has back."""


class Loads:
    """The loads of one worker, seen from the loop's thread, to which all of it belongs."""

    def __init__(self, worker: RemoteWorker) -> None:
        self._worker = worker
        self._lender = Lender()
        self._borrower: Borrower | None = None
        self._of_calls: dict[int, Segment] = {}  # what was filled, until the call is answered
        self._known: set[int] = set()  # shared memory that the worker has
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
        flags, parts = parts_of(body, big)
        places, copied = self._split(parts, records)
        if copied:
            size = size_of(copied)
            try:
                segment = self._lender.take(size) or self._new(size, records)
            except (OSError, ValueError) as error:
                raise _no_memory(size, error) from error
            fill(segment, copied)
            places = _joined(places, segment, copied)
        return flags, len(parts), record_of(body, flags, _all(places))

    def _split(
        self, parts: list[memoryview], records: list[bytes]
    ) -> tuple[list[bytes | None], list[memoryview]]:
        """Return where each part stands in shared memory, or None; and those that do not."""
        places = [self._shared_place(part, records) for part in parts]
        return places, [part for part, place in zip(parts, places, strict=True) if place is None]

    def _new(self, size: int, records: list[bytes]) -> Segment:
        segment = self._lender.make(size)
        self._tell(segment, records, read_only=False)
        segment.close_descriptor()
        return segment

    def _tell(self, segment: Segment, records: list[bytes], read_only: bool, add: int = 0) -> None:
        self._worker.channel.send_descriptor(segment.descriptor)
        number = segment.number + add
        size = SIZE.pack(segment.size)
        records.append(ASK.pack(Ask.SEGMENT, read_only, 0, number, 0, len(size)) + size)

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
        more, parts = parts_of(body, big)
        flags |= more
        places, copied = self._split(parts, records)
        load = Load(call, function, flags, body, places, copied, size_of(copied))
        call.bytes_out = load.size + (0 if more & ELSEWHERE else len(body))
        if not copied:
            self._append(load, None, records)
            return
        self._worker.desk.heavy += 1
        segment = self._lender.take(load.size)
        if segment is not None and load.size <= AT_ONCE:
            fill(segment, copied)
            self._append(load, segment, records)
            return
        from fournil.offload.threads import run_unseen

        self._worker.desk.loading += 1
        number = 0 if segment is not None else self._lender.number()
        filled = run_unseen(_filled, segment, number, load.size, copied)
        filled.add_done_callback(lambda filled: self._loaded(load, filled))

    def _shared_place(self, part: memoryview, records: list[bytes]) -> bytes | None:
        found = shared.find(part)
        if found is None:
            return None
        memory, offset = found
        number = memory.segment.number
        if number not in self._known:
            self._known.add(number)
            memory.withdraw[id(self)] = self._withdraw_soon
            self._tell(memory.segment, records, read_only=True, add=SHARED)
        return PLACE.pack(number + SHARED, READ_ONLY | LASTS, offset, part.nbytes)

    def _withdraw_soon(self, number: int) -> None:
        try:
            self._worker.loop.call_soon_threadsafe(self._withdraw, number)
        except RuntimeError:
            pass  # the loop is closed, and the worker gone with it

    def _withdraw(self, number: int) -> None:
        self._known.discard(number)
        if not self._closed:
            self._worker.channel.write(ASK.pack(Ask.WITHDRAWN, 0, 0, number + SHARED, 0, 0))

    def _loaded(self, load: Load, filled: Call[Segment]) -> None:
        """Send a call whose arguments are in shared memory now."""
        worker = self._worker
        pool = worker.pool
        call = load.call
        worker.desk.loading -= 1
        error = None if filled.cancelled() else filled.exception()
        segment = None if filled.cancelled() or error is not None else filled.result()
        if segment is not None:
            if self._closed:
                segment.close()
            else:
                self._lender.add(segment)
        if call.cancelling:
            pool._drop(call)
        elif isinstance(error, OSError | ValueError):
            pool._ended(call, None, _no_memory(load.size, error), perf_counter_ns())
        elif error is not None:
            pool._ended(call, None, error, perf_counter_ns())
        elif segment is not None and not self._closed:
            records: list[bytes] = []
            if segment.descriptor >= 0:
                self._tell(segment, records, read_only=False)
                segment.close_descriptor()
            self._append(load, segment, records)
            worker.channel.write(b"".join(records))
            return
        else:
            # The worker died meanwhile: another is to have the call.
            pool._dispatch.queue.appendleft(call)
        worker.desk.heavy -= 1
        if segment is not None and not self._closed:
            self._lender.returned(segment.number)
        pool._go_on()
        pool._answers_read(worker)

    def _append(self, load: Load, segment: Segment | None, records: list[bytes]) -> None:
        places = load.places
        if segment is not None:
            places = _joined(places, segment, load.copied)
        body = record_of(load.body, load.flags, _all(places))
        number = self._worker.append(
            load.call, load.function, load.flags, len(places), body, records
        )
        if segment is not None:
            self._of_calls[number] = segment

    def answered(self, number: int) -> None:
        """Note that a call has ended; the worker gives the memory back when it needs it no more."""
        if self._of_calls.pop(number, None) is not None:
            self._worker.desk.heavy -= 1

    def skipped(self, number: int) -> None:
        """Have back what was filled for a call that the worker never looks at."""
        segment = self._of_calls.pop(number, None)
        if segment is not None:
            self._worker.desk.heavy -= 1
            self._returned(segment.number)

    # Back.

    def views(
        self, flags: int, buffers: int, body: memoryview
    ) -> tuple[memoryview, list[memoryview]]:
        """Return what was packed, and its buffers, of an answer."""
        assert self._borrower is not None
        return views_at(self._borrower, flags, buffers, body)

    def told(self, kind: int, number: int, body: memoryview) -> None:
        """Do what the worker says of memory."""
        match kind:
            case Answer.SEGMENT:
                if self._borrower is None:
                    self._borrower = Borrower(_give_back_to(self))
                descriptor = self._worker.channel.receive_descriptor()
                self._borrower.add(number, descriptor, SIZE.unpack(body)[0])
            case Answer.WITHDRAWN:
                assert self._borrower is not None
                self._borrower.withdrawn(number)
            case Answer.RETURNED:
                self._returned(number)

    def _returned(self, number: int) -> None:
        self._lender.returned(number)
        if self._lender.free_size > KEPT:
            self._withdraw_all(self._lender.shrink(KEPT))
        self._trim_later()

    def _withdraw_all(self, numbers: list[int]) -> None:
        for number in numbers:
            self._worker.channel.write(ASK.pack(Ask.WITHDRAWN, 0, 0, number, 0, 0))

    def give_back(self, number: int) -> None:
        """Let the worker use again what it lent."""
        if not self._closed:
            self._worker.channel.write(ASK.pack(Ask.RETURNED, 0, 0, number, 0, 0))
            self._trim_later()

    def _trim_later(self) -> None:
        if not self._trims:
            self._trims = True
            self._worker.loop.call_later(KEPT_S, _trim, weakref.ref(self))

    def trim(self) -> None:
        """Let go of memory that was not used lately, on both sides."""
        self._trims = False
        self._withdraw_all(self._lender.trim())
        self._worker.channel.write(ASK.pack(Ask.TRIM, 0, 0, 0, 0, 0))
        if self._lender.free:
            self._trim_later()

    def close(self) -> None:
        """Let go of all: the worker is gone."""
        self._closed = True
        self._lender.close()


SHARED = 1 << 31
"""Added to the numbers of shared memory, which are those of the process and not of a worker."""


class Load:
    """A call with big arguments."""

    __slots__ = ("body", "call", "copied", "flags", "function", "places", "size")

    def __init__(
        self,
        call: Call[Any],
        function: Sent,
        flags: int,
        body: bytes,
        places: list[bytes | None],
        copied: list[memoryview],
        size: int,
    ) -> None:
        self.call = call
        self.function = function
        self.flags = flags
        self.body = body
        self.places = places  # None: to be copied
        self.copied = copied
        self.size = size


def _joined(
    places: list[bytes | None], segment: Segment, copied: list[memoryview]
) -> list[bytes | None]:
    """Return where each part stands, now that those that had no place fill memory."""
    own = iter(places_in(segment, copied))
    return [next(own) if place is None else place for place in places]


def _all(places: list[bytes | None]) -> list[bytes]:
    return [place for place in places if place is not None]


def _filled(segment: Segment | None, number: int, size: int, parts: list[memoryview]) -> Segment:
    """Return memory filled with parts, in any thread."""
    made = Segment(number, size) if segment is None else segment
    fill(made, parts)
    return made


def _no_memory(size: int, error: BaseException) -> PoolError:
    return PoolError(
        f"there is no shared memory for {size:,} bytes of arguments: {error}; give smaller pieces"
    )


def _give_back_to(loads: Loads) -> Any:
    """Return what gives memory back, from any thread, and holds no pool."""
    loop = loads._worker.loop
    held = weakref.ref(loads)

    def soon(number: int) -> None:
        found = held()
        if found is not None:
            found.give_back(number)

    def give_back(number: int) -> None:
        try:
            loop.call_soon_threadsafe(soon, number)
        except RuntimeError:
            pass  # the loop is closed

    return give_back


def _trim(held: weakref.ref[Loads]) -> None:
    loads = held()
    if loads is not None and not loads._closed:
        loads.trim()
