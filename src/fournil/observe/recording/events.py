"""The events of a recording: the one place that decodes them.

There may be a million, so they stay bytes as the recording has them. What asks for them gets
columns, which are decoded at the speed of C, or `Event` objects, which are made on the way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, partial
from itertools import compress
from typing import Any, NamedTuple

from fournil.record import kinds
from fournil.record.kinds import Kind
from fournil.record.layout import EVENT
from fournil.record.units import Clock, unpack_all, unpack_ticks

BLOCK = 1 << 14
"""So many events are decoded at a time where they are made one by one."""


class Event(NamedTuple):
    """One entry of the events' ring: a step, a wait, or the birth or end of a task."""

    begin: float
    duration: float
    delay: float  # from runnable to running
    subject: int  # what ran
    waker: int  # the subject of the step that made it runnable; 0: the kernel or a clock
    thread: int  # index into Recording.threads
    kind: int  # kinds.Kind
    flags: int  # kinds.FLAG_*
    extra: int  # by kind
    begin_ticks: int  # with `thread`, the step's key


_make_event: Callable[[Iterable[Any]], Event] = partial(tuple.__new__, Event)
"""As `Event._make`, which is Python code and takes twice as long."""


class Columns:
    """Events field by field, as those of `Event`: each list has a value for each event.

    Args:
        data: whole entries.
        clock: turns their ticks into seconds.
        chosen: has a byte for each kind; 0 leaves events of that kind out.
    """

    def __init__(self, data: bytes, clock: Clock, chosen: bytes | None = None) -> None:
        self._data = data
        self._per_tick, self._start = clock.ns_per_tick / 1e9, clock.start_ticks
        self._selectors: bytes | None = None
        kinds_of_each = bytes(data[EVENT.offset("kind") :: EVENT.size])
        if chosen is not None:
            selectors = kinds_of_each.translate(chosen)
            self._selectors = selectors if 0 in selectors else None
        # They have a slot in the place of a delay.
        self._has_births = Kind.BORN in kinds_of_each and (chosen is None or chosen[Kind.BORN] != 0)

    def numbers(self, name: str) -> list[int]:
        """Return one field of each entry; see layout.EVENT."""
        column = EVENT.column(self._data, name)
        return (
            column.tolist() if self._selectors is None else list(compress(column, self._selectors))
        )

    @cached_property
    def begin(self) -> list[float]:
        start, per_tick = self._start, self._per_tick
        return [(tick - start) * per_tick for tick in self.begin_ticks]

    @cached_property
    def duration(self) -> list[float]:
        return self._durations("duration")

    @cached_property
    def delay(self) -> list[float]:
        return self._durations("delay")

    @cached_property
    def begin_ticks(self) -> list[int]:
        return self.numbers("begin")

    def _durations(self, name: str) -> list[float]:
        packed, per_tick = self.numbers(name), self._per_tick
        if name == "delay" and self._has_births:
            packed = [
                0 if kind == Kind.BORN else ticks
                for kind, ticks in zip(self.numbers("kind"), packed, strict=True)
            ]
        return [ticks * per_tick for ticks in unpack_all(packed)]

    def events(self) -> Iterator[Event]:
        """Yield the events one by one."""
        others = map(self.numbers, ("subject", "waker", "thread", "kind", "flags", "extra"))
        columns = (self.begin, self.duration, self.delay, *others, self.begin_ticks)
        return map(_make_event, zip(*columns, strict=True))


class Birth(NamedTuple):
    """Who made a task, what it runs, and where it is."""

    maker: int  # subject
    site: int  # index into Recording.sites
    slot: int  # where the task is among those that have one, if it has not lost it


class Births:
    """The births among the newest events, by task; they are decoded when one is asked for."""

    def __init__(self) -> None:
        self._known: dict[int, Birth] = {}
        self._unread: deque[bytes | memoryview] = deque()
        self._size = 0  # of what is unread
        self._most = 0  # so many events are the newest

    def add(self, data: bytes | memoryview, most: int) -> None:
        """Take new events, of which the newest `most` are kept."""
        self._most = most
        self._unread.append(data)
        self._size += len(data)
        while self._unread and self._size - len(self._unread[0]) >= most * EVENT.size:
            self._size -= len(self._unread.popleft())

    def get(self, task: int) -> Birth | None:
        """Return the birth of a task; None where it is not among the newest events."""
        while self._unread:
            self._read(self._unread.popleft())
        self._size = 0
        return self._known.get(task)

    def _read(self, data: bytes | memoryview) -> None:
        is_birth = bytes(data[EVENT.offset("kind") :: EVENT.size]).translate(_IS_BIRTH)
        if 1 not in is_birth:
            return
        task, *birth = (
            compress(EVENT.column(data, name), is_birth)
            for name in ("subject", "waker", "extra", "delay")
        )
        self._known.update(zip(task, map(Birth, *birth), strict=True))
        while len(self._known) > self._most:
            del self._known[next(iter(self._known))]


_IS_STEP = bytes(kind in kinds.STEP_KINDS for kind in range(256))
_IS_BIRTH = bytes(kind == Kind.BORN for kind in range(256))


class Events:
    """Events in the order in which they were written.

    A step is written when it ends, so steps of different threads overlap.

    Args:
        pieces: whole entries, oldest first.
        clock: turns their ticks into seconds.
        births: those among them.
    """

    def __init__(self, pieces: Sequence[bytes | memoryview], clock: Clock, births: Births) -> None:
        self.births = births
        self._pieces = pieces
        self._clock = clock

    def __len__(self) -> int:
        return sum(map(len, self._pieces)) // EVENT.size

    @cached_property
    def data(self) -> bytes:
        """All entries, as the recording has them."""
        only = self._pieces[0] if len(self._pieces) == 1 else None
        return only if isinstance(only, bytes) else b"".join(self._pieces)

    def __iter__(self) -> Iterator[Event]:
        for first in range(0, len(self), BLOCK):
            block = self.data[first * EVENT.size : (first + BLOCK) * EVENT.size]
            yield from Columns(block, self._clock).events()

    def steps(self) -> Iterator[Event]:
        """Yield each event that is a step of a loop."""
        return (event for event in self if event.kind in kinds.STEP_KINDS)

    def step_columns(self, most: int | None = None) -> Columns:
        """Return the steps of loops among the newest events, field by field.

        Args:
            most: among how many events; None: all.
        """
        begin = 0 if most is None else max(0, len(self.data) - most * EVENT.size)
        return Columns(self.data[begin:], self._clock, _IS_STEP)

    def waker_of(self, thread: int, begin_ticks: int) -> int:
        """Return the subject that made a step runnable; 0: the kernel, a clock, not known."""
        size = EVENT.size
        begin = begin_ticks.to_bytes(8, "little")
        at = self.data.find(begin)
        while at >= 0:
            if at % size == 0:
                entry = EVENT.unpack(self.data, at)
                if entry["thread"] == thread and entry["kind"] in kinds.STEP_KINDS:
                    return int(entry["waker"])
            at = self.data.find(begin, at - at % size + size)
        return 0


def last_tick(data: bytes) -> int:
    """Return when the last of some events ended; 0: there is none."""
    if not data:
        return 0
    last = EVENT.unpack(data, len(data) - EVENT.size)
    if last["kind"] in (Kind.BORN, Kind.ENDED):
        return int(last["begin"])
    return int(last["begin"] + unpack_ticks(last["duration"]))
