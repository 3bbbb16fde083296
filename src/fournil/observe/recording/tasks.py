"""The tasks of a recording: decoded one by one, or all at once, when somebody asks.

A program may have a hundred thousand, of which a view shows fifty.
"""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, ValuesView
from enum import IntEnum
from functools import cached_property, partial
from itertools import compress
from typing import Any, NamedTuple

from fournil.observe.recording.events import Births
from fournil.record import kinds
from fournil.record.layout import TASK
from fournil.record.units import Clock, unpack_all


class TaskState(IntEnum):
    """How a task ended, or that it did not."""

    PENDING = kinds.TASK_PENDING
    FINISHED = kinds.TASK_FINISHED
    RAISED = kinds.TASK_RAISED
    CANCELLED = kinds.TASK_CANCELLED
    DESTROYED = kinds.TASK_DESTROYED


class Task(NamedTuple):
    """A task with its totals."""

    id: int
    name: str
    parent: int  # subject: who made it
    site: int  # index into Recording.sites
    state: TaskState
    thread: int  # index into Recording.threads
    born_s: float
    ended_s: float | None
    last_s: float | None  # when its last step ended; of an ended task, its end; None: it never ran
    steps: int
    busy_s: float
    delay_s: float
    longest_s: float


_make_task: Callable[[Iterable[Any]], Task] = partial(tuple.__new__, Task)
"""As `Task._make`, which is Python code and takes twice as long."""

_STATES = tuple(TaskState)

MOST_SEARCHES = 100
"""So many tasks are looked for one by one before there is an index of all."""


class Tasks(Mapping[int, Task]):
    """The tasks that have a slot, by their ids.

    Args:
        data: whole entries.
        text: returns the text at a reference.
        clock: turns their ticks into seconds.
        births: say where tasks are.
        before: the same tasks some time ago, whose index may serve again.
    """

    def __init__(
        self,
        data: bytes,
        text: Callable[[int], str],
        clock: Clock,
        births: Births,
        before: Tasks | None = None,
    ) -> None:
        self._data = data
        self._text = text
        self._clock = clock
        self._births = births
        self._searched = 0
        self._index_before: tuple[bytes, dict[int, int]] | None = None
        if before is not None:
            self._index_before = (
                (before._ids, before._places)
                if "_places" in before.__dict__
                else before._index_before
            )

    def __getitem__(self, key: int) -> Task:
        if "_all" in self.__dict__:
            return self._all[key]
        at = self._place_of(key) * TASK.size
        return next(self._decoded(partial(_field, self._data[at : at + TASK.size])))

    def __iter__(self) -> Iterator[int]:
        return iter(self._all if "_all" in self.__dict__ else self._places)

    def __len__(self) -> int:
        return len(self._places)

    def values(self) -> ValuesView[Task]:
        return self._all.values()

    def items(self) -> ItemsView[int, Task]:
        return self._all.items()

    def numbers(self, name: str) -> list[int]:
        """Return one field of all tasks, in the order of their ids here; see layout.TASK."""
        column = TASK.column(self._data, name)
        return column.tolist() if self._in_use is None else list(compress(column, self._in_use))

    def _place_of(self, key: int) -> int:
        """Return the slot of a task; raise KeyError where it has none."""
        birth = self._births.get(key)
        if birth is not None and self._has(birth.slot, key):
            return birth.slot
        # An index takes as long as a hundred searches.
        if "_places" in self.__dict__ or self._searched == MOST_SEARCHES:
            return self._places[key]
        self._searched += 1
        id_ = key.to_bytes(4, "little") if 0 < key < 1 << 32 else b"no id"
        at = self._ids.find(id_)
        while at >= 0 and at % 4:
            at = self._ids.find(id_, at + 1)
        if at < 0 or not self._has(at // 4, key):
            raise KeyError(key)
        return at // 4

    def _has(self, place: int, key: int) -> bool:
        """Tell whether a slot is a task's."""
        at = place * TASK.size
        if at >= len(self._data):
            return False
        entry = TASK.unpack(self._data, at)
        return bool(entry["id"] == key and key and entry["state"] < len(_STATES))

    @cached_property
    def _in_use(self) -> list[bool] | None:
        """For each slot whether it is in use; None: all are. One may be half written."""
        ids, states = _field(self._data, "id"), _field(self._data, "state")
        in_use = [
            bool(id_) and state < len(_STATES) for id_, state in zip(ids, states, strict=True)
        ]
        return None if all(in_use) else in_use

    @cached_property
    def _ids(self) -> bytes:
        return TASK.column(self._data, "id").tobytes()

    @cached_property
    def _places(self) -> dict[int, int]:
        if self._index_before is not None and self._index_before[0] == self._ids:
            return self._index_before[1]
        places = range(len(self._data) // TASK.size)
        used = places if self._in_use is None else compress(places, self._in_use)
        return dict(zip(self.numbers("id"), used, strict=True))

    @cached_property
    def _all(self) -> dict[int, Task]:
        """All tasks, decoded at once: a fifth of the time of one by one."""
        return dict(zip(self.numbers("id"), self._decoded(self.numbers), strict=True))

    def columns(self) -> dict[str, list[Any]]:
        """Return the fields of all tasks by the names that they have in `Task`."""
        return dict(zip(Task._fields, self._columns(self.numbers), strict=True))

    def _decoded(self, numbers: Callable[[str], list[int]]) -> Iterator[Task]:
        return map(_make_task, zip(*self._columns(numbers), strict=True))

    def _columns(self, numbers: Callable[[str], list[int]]) -> tuple[list[Any], ...]:
        """Return tasks by the fields of `Task`; `numbers` returns those of an entry's field."""
        per_tick, start = self._clock.ns_per_tick / 1e9, self._clock.start_ticks

        def durations(name: str) -> list[float]:
            return [ticks * per_tick for ticks in numbers(name)]

        states = [_STATES[state] for state in numbers("state")]
        last = [(tick - start) * per_tick if tick else None for tick in numbers("last")]
        return (
            numbers("id"),
            [
                f"Task-{name ^ kinds.NAME_BIT}" if name >= kinds.NAME_BIT else self._named(name)
                for name in numbers("name")
            ],
            numbers("parent"),
            numbers("site"),
            states,
            numbers("thread"),
            [(tick - start) * per_tick for tick in numbers("born")],
            [tick if state else None for state, tick in zip(states, last, strict=True)],
            last,
            numbers("steps"),
            durations("busy"),
            durations("delay"),
            [ticks * per_tick for ticks in unpack_all(numbers("longest"))],
        )

    def _named(self, given: int) -> str:
        # A task is named at its first step.
        return self._text(given) if given else "a task that never ran"


def _field(data: bytes, name: str) -> list[int]:
    return TASK.column(data, name).tolist()
