"""What a recording says, in seconds and names: pure data, made by `decode`.

A *subject* is who ran, as the recording numbers it: a task's id, or a site's index with
`kinds.SITE_BIT`, or 0 for nobody. `Recording.describe` turns one into words.
All times are seconds since the recording's start, unless a name says ticks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import NamedTuple

from fournil.evidence.classify import GIL_WAIT_SHARE, Blocker
from fournil.evidence.looks import Collection
from fournil.evidence.stacks import Frame
from fournil.observe.recording.events import Events
from fournil.observe.recording.hindrances import Holder, Lack, Unlooked
from fournil.observe.recording.lag import Lag
from fournil.observe.recording.served import Served
from fournil.observe.recording.tasks import Task, Tasks
from fournil.observe.recording.unseen import Unseen
from fournil.record import kinds, units


@dataclass(frozen=True, slots=True)
class Code:
    """A piece of code that ran as a step."""

    index: int
    function: str
    file: str
    line: int
    is_coroutine: bool


@dataclass(frozen=True, slots=True)
class Site:
    """A piece of code that ran as a step, with the totals of all its steps."""

    index: int
    function: str
    file: str
    line: int
    is_coroutine: bool
    tasks: int
    ended: int
    steps: int
    busy_s: float
    delay_s: float
    longest_s: float
    never_awaited: int
    never_retrieved: int


def code_of(
    subject: int, codes: Mapping[int, Code], tasks: Mapping[int, Task], events: Events
) -> Code | None:
    """Return the code that a subject runs."""
    if subject & kinds.SITE_BIT:
        return codes.get(subject & ~kinds.SITE_BIT)
    if task := tasks.get(subject):
        return codes.get(task.site)
    birth = events.births.get(subject)
    return codes.get(birth.site) if birth else None


@dataclass(frozen=True, slots=True)
class Thread:
    """A loop, or (number 0) the main thread while it runs no loop."""

    index: int
    number: int
    name: str
    native_id: int
    closed: bool
    opened_s: float
    ran_s: float
    """How long the loop ran, including a run that goes on."""
    idle_s: float
    """How long it waited in the kernel meanwhile."""
    gil_wait_s: float
    """How long it then waited for the GIL, which another thread held."""
    gil_longest_s: float
    in_steps_s: float
    steps: int
    polls: int
    blocked: int
    pending: int  # tasks that were made in it and have not ended
    longest_s: float
    lag: Lag
    running: RunningStep | None

    @property
    def is_loop(self) -> bool:
        """Whether this is a loop that has run; some are made and never used."""
        return self.number > 0 and (self.ran_s > 0 or self.steps > 0)

    @property
    def busy_s(self) -> float:
        """How long the loop ran without waiting in the kernel, or after that for the GIL."""
        return max(0.0, self.ran_s - self.idle_s - self.gil_wait_s)

    @property
    def busy_share(self) -> float:
        """The share of its running time that the loop was busy: 0 to 1."""
        return min(1.0, self.busy_s / self.ran_s) if self.ran_s > 0 else 0.0


class RunningStep(NamedTuple):
    """The step that was running when the recording was read or its program died."""

    begin_ticks: int
    subject: int
    kind: int


class Caller(NamedTuple):
    """A thread that runs calls, and is watched meanwhile."""

    name: str
    native_id: int
    running: RunningStep | None


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool of workers, with the totals of its calls."""

    number: int
    kind: str  # the name of its class
    name: str  # what its workers' names begin with
    workers: int  # how many at most
    open_s: float  # how long it was open, or has been
    is_open: bool
    calls: int  # that were given to it
    done: int
    raised: int
    cancelled: int
    abandoned: int
    died: int  # calls that their worker died of
    ran: int  # calls that came to their end in a worker; of these:
    waited_s: float  # from when they were given to the pool until a worker was free for them
    out_s: float  # on the way to a function's begin
    inside_s: float  # in functions
    back_s: float  # from a function's end until the loop took the outcome
    longest_s: float  # in a function
    cpu_s: float  # that the workers used
    bytes_out: int
    bytes_back: int

    @property
    def in_flight(self) -> int:
        """How many calls had not come to their end."""
        ended = self.done + self.raised + self.cancelled + self.abandoned + self.died
        return max(0, self.calls - ended)

    @property
    def travelled_s(self) -> float:
        """How long all calls that ran were on their way, out and back."""
        return self.out_s + self.back_s

    @property
    def busy_share(self) -> float:
        """The share of the time of all its workers, while it was open, spent in functions."""
        room_s = self.open_s * self.workers
        return min(1.0, self.inside_s / room_s) if room_s > 0 else 0.0


class Worker(NamedTuple):
    """A worker of a pool, and the call that it runs."""

    pool: int  # Pool.number
    name: str
    site: int  # of the function that it runs, or ran last
    calls: int  # that it began, the one that it runs among them
    since_s: float | None  # when that began, as far as the program knew; None: it runs none


class Second(NamedTuple):
    """A second of a loop, one row of the history."""

    loop: int  # Thread.number
    end_s: float
    lasted_s: float  # longer, where nothing was written down for a while
    busy_s: float
    gil_wait_s: float
    lag_p99_s: float
    lag_max_s: float
    steps: int
    pending: int  # tasks, at its end
    blocked: int  # steps that ended in it


class PoolCall(NamedTuple):
    """One entry of the calls' ring: a call that came to its end, one way or the other."""

    queued_s: float
    sent_s: float | None  # None, as in what follows: it did not come so far, or does not travel
    began_s: float | None
    ended_s: float | None
    received_s: float | None
    bytes_out: int
    bytes_back: int
    subject: int  # whose step gave it to the pool; 0: not known
    site: int  # of the function
    worker: str | None
    pool: int  # Pool.number, its lowest 16 bits
    state: int  # kinds.CALL_*


@dataclass(frozen=True, slots=True)
class BlockedStep:
    """A step that ran for the threshold or longer; or a wait for the GIL between two steps."""

    thread: int  # index into Recording.threads
    begin_ticks: int  # with `thread`, the step's key: Event.begin_ticks
    subject: int
    kind: int  # kinds.Kind
    begin_s: float
    duration_s: float
    delay_s: float
    ended: bool  # False: still running when the recording was read or its program died
    blocker: Blocker | None  # None: the watch did not see it
    frames: tuple[Frame, ...]  # inside the step, innermost first; empty when not seen
    culprit: Frame  # where most of the time went, in the user's own code
    lines: Mapping[Frame, float]
    """How long the looks that speak for the class stand for, by the user's own frame."""
    gil_wait_s: float  # time spent waiting for the GIL, which another thread held
    stacks: Mapping[tuple[Frame, ...], float] = field(default_factory=dict)
    """How long the looks at these lines stand for, by all frames inside the step."""
    served: Served | None = None
    at_startup: bool = False  # before its process served anybody, and nobody waited for it
    part_s: float | None = None  # how long of it this is about; None: all of it
    debugged: bool = False  # a debugger stood in it: how long it took is somebody's who thinks
    lack: Lack | None = None  # None: not known
    kernel_s: float = 0.0  # how long it was on the CPU inside the kernel
    collection: Collection | None = None  # of garbage: the class says whether it blocked
    holder: Holder | None = None  # who had the GIL for which it waited; None: nobody, not known
    unlooked: Unlooked | None = None  # where nothing is known, why
    parts: tuple[BlockedStep, ...] = ()
    """Where it did several things that took long, the same step as each of them has it."""

    @property
    def taken_s(self) -> float:
        """How long the lines took that this is about."""
        return self.duration_s if self.part_s is None else self.part_s

    @property
    def cpu_share(self) -> float | None:
        """How much of its time it ran or waited by itself; the rest, it could not run."""
        if self.lack is None:
            return None
        return 1 - min(1.0, self.lack.total_s / self.taken_s) if self.taken_s > 0 else 1.0

    @property
    def share(self) -> float:
        """The share of the step that the lines took that this is about."""
        return min(1.0, self.taken_s / self.duration_s) if self.duration_s > 0 else 1.0

    @property
    def waited_for_gil(self) -> bool:
        """Whether nearly all of it was spent waiting for the GIL."""
        lacked_s = self.lack.total_s if self.lack else 0.0
        return self.gil_wait_s > GIL_WAIT_SHARE * max(0.0, self.taken_s - lacked_s)

    @property
    def key(self) -> tuple[int, int]:
        return self.thread, self.begin_ticks


@dataclass(frozen=True, slots=True)
class BlockedGroup:
    """The blocked steps with the same class and the same culprit line, or parts of steps.

    Steps of one function that were seen on the same lines are one group, whichever of these
    lines was the heaviest in each: a loop's body has several.
    """

    blocker: Blocker | None
    culprit: Frame
    steps: tuple[BlockedStep, ...]  # in the order in which they began

    @property
    def count(self) -> int:
        return len(self.steps)

    @property
    def total_s(self) -> float:
        return sum(step.taken_s for step in self.steps)

    @property
    def whole_s(self) -> float:
        """How long the steps took, with what else they did."""
        return sum(step.duration_s for step in self.steps)

    @property
    def longest(self) -> BlockedStep:
        return max(self.steps, key=lambda step: step.taken_s)

    @property
    def longest_s(self) -> float:
        return self.longest.taken_s

    @property
    def frames(self) -> tuple[Frame, ...]:
        """The stack of the longest step."""
        return self.longest.frames

    @property
    def subject(self) -> int:
        """Who ran the longest step."""
        return self.longest.subject

    @property
    def gil_wait_s(self) -> float:
        return sum(step.gil_wait_s for step in self.steps)

    @property
    def at_startup(self) -> bool:
        """Whether all of it was over before the program served anybody."""
        return all(step.at_startup for step in self.steps)

    @property
    def kernel_s(self) -> float:
        return sum(step.kernel_s for step in self.steps)

    @property
    def lack(self) -> Lack:
        """For how long the steps could not run, as far as that is known."""
        return reduce(Lack.plus, (step.lack for step in self.steps if step.lack), Lack())

    @property
    def holder(self) -> Holder | None:
        """Who had the GIL for which the longest of the steps waited that tells."""
        known = [step for step in self.steps if step.holder]
        return max(known, key=lambda step: step.gil_wait_s).holder if known else None

    @property
    def collection(self) -> Collection | None:
        """The greatest collection of garbage that was seen in them."""
        return max((step.collection for step in self.steps if step.collection), default=None)

    @property
    def waited_for_gil(self) -> bool:
        """Whether nearly all the time was spent waiting for the GIL.

        Another thread held it, so moving these steps to a thread would not help.
        """
        return self.gil_wait_s > GIL_WAIT_SHARE * max(0.0, self.total_s - self.lack.total_s)

    @property
    def keys(self) -> frozenset[tuple[int, int]]:
        """(thread, begin_ticks) of each step."""
        return frozenset(step.key for step in self.steps)


@dataclass(frozen=True, slots=True)
class ScriptLine:
    """A line of a program without a loop, and how long the watch saw it run."""

    culprit: Frame
    blocker: Blocker
    total_s: float
    frames: tuple[Frame, ...]  # innermost first


@dataclass(frozen=True, slots=True)
class Script:
    """A program that ran no loop: its slow lines, worst first."""

    lines: tuple[ScriptLine, ...]
    watched_s: float  # how long the looks of the watch stand for, all lines together


@dataclass(frozen=True, slots=True)
class Meta:
    """What the program said about itself when it started; each item may be missing."""

    argv: tuple[str, ...] = ()
    main: str | None = None
    python: str | None = None
    implementation: str | None = None
    fournil: str | None = None
    cores: int | None = None
    stdlib_roots: tuple[str, ...] = ()
    package_roots: tuple[str, ...] = ()
    fournil_roots: tuple[str, ...] = ()
    module: str | None = None  # that the program was run as
    mine: tuple[str, ...] = ()  # packages that the user has named as their own
    parent: int | None = None  # the number of the process that started it; None: the first
    process: str | None = None  # what multiprocessing called it
    is_forked: bool = False  # by a process of its program


class End(NamedTuple):
    """How the process of a program ended, as its parent saw it."""

    status: int | None  # that it exited with
    signal: int | None  # that killed it; None for both: it still runs, or its parent has died
    replaced: bool  # by then another program had taken the place of the one recorded (exec)


@dataclass(frozen=True)
class Recording:
    """All that a recording says."""

    pid: int
    parent: int  # the process that started it
    program: int  # a number that all processes of the program share
    started_unix_s: float
    run_s: float  # until the end, or until the last sign of life
    ended: bool  # the program closed the recording
    alive: bool  # the program runs still
    threshold_s: float
    meta: Meta
    codes: Mapping[int, Code]
    sites: Mapping[int, Site]
    tasks: Tasks
    """The tasks that have a slot: all that are pending, and the latest that ended."""
    tasks_born: int
    threads: Mapping[int, Thread]
    pools: Sequence[Pool]  # in the order in which they were opened
    workers: tuple[Worker, ...]
    history: Sequence[Second]
    """The seconds that are left of each loop, in the order in which they ended."""
    calls: Sequence[PoolCall]
    """The calls of pools that are left, in the order in which they came to their ends."""
    callers: Mapping[int, Caller]  # by their index as threads
    blocked: tuple[BlockedStep, ...]  # in the order in which they began
    slow_calls: tuple[BlockedStep, ...]
    """Calls in threads that were watched and ran for the threshold or longer, in that order."""
    gil_waits: tuple[BlockedStep, ...]
    """Waits of loops for the GIL between two steps, each for the threshold or longer: the class
    and the lines are of the threads that had it."""
    script: Script | None  # only for a program that ran no loop
    serving_s: float | None
    """When a server accepted its first connection, or, without one, began to listen; None: there
    was none."""
    other_loops: bool  # a loop of another kind ran, of which nothing is recorded
    looks: int  # how often the watch looked
    look_every_s: float | None  # how long it let pass between two looks at a step
    end: End | None  # how the program's process ended, where that is known
    unseen: Unseen
    clock: units.Clock = field(repr=False)
    events: Events = field(repr=False)
    """The events that are left."""

    @property
    def loops(self) -> list[Thread]:
        return [thread for thread in self.threads.values() if thread.is_loop]

    def site_of(self, subject: int) -> Site | None:
        """Return the code that a subject runs."""
        code = self.code_of(subject)
        return self.sites.get(code.index) if code else None

    def code_of(self, subject: int) -> Code | None:
        """Return the same without its totals, which take longer to find."""
        return code_of(subject, self.codes, self.tasks, self.events)

    def maker_of(self, subject: int) -> int:
        """Return the subject that made a task; 0: the program outside any step, not known."""
        if task := self.tasks.get(subject):
            return task.parent
        birth = self.events.births.get(subject)
        return birth.maker if birth else 0

    def describe(self, subject: int) -> str | None:
        """Return a subject in words: `Task-7 (handle)`, or `on_data()` for a callback."""
        if subject == 0:
            return None
        code = self.code_of(subject)
        if subject & kinds.SITE_BIT:
            return f"{code.function}()" if code else None
        task = self.tasks.get(subject)
        name = task.name if task else "an ended task"
        return f"{name} ({code.function})" if code else name
