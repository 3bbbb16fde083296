"""What a recording has, as plain data: tasks, steps, loops, pools, calls."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a stack."""

    file: str
    line: int
    function: str


@dataclass(frozen=True, slots=True)
class Site:
    """A piece of code that runs as steps (a coroutine function, a callback), with its totals."""

    function: str
    file: str
    line: int
    is_coroutine: bool
    tasks: int  # that were made to run it
    steps: int
    busy_s: float
    delay_s: float  # from ready to running, all steps together
    longest_s: float


@dataclass(frozen=True, slots=True)
class Task:
    """A task with its totals."""

    id: int
    name: str
    site: Site | None
    state: str  # pending, finished, raised, cancelled, destroyed
    made_by: str | None  # the task or callback that made it; None: not known, or no step
    born_s: float
    ended_s: float | None  # None: it is pending
    last_s: float | None  # when its last step ended; None: it never ran
    steps: int
    busy_s: float
    delay_s: float
    longest_s: float


@dataclass(frozen=True, slots=True)
class Headroom:
    """How many times as much a server's loop bears as came, where what came was even.

    What each request takes is taken to stay as it is.
    """

    now: float
    limit: str  # what is full then: loop, cores, threads, workers, or a lock
    with_advice: float | None  # with all advice followed; None: there is none
    limit_with_advice: str | None
    assumes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One run of one callback on a loop: a task's advance from one await to the next, a timer."""

    begin_s: float
    duration_s: float
    delay_s: float  # from ready to running
    kind: str  # task, callback, timer, reader, writer
    loop: int  # Loop.number; 0: not known
    task: int | None  # Task.id; None: a callback's step
    site: Site | None


@dataclass(frozen=True, slots=True)
class Lag:
    """The ready delay that half, 99 % and all of the moments of a loop's run do not exceed."""

    p50_s: float
    p99_s: float
    max_s: float


@dataclass(frozen=True, slots=True)
class Loop:
    """An event loop, with its totals."""

    number: int  # counts the program's loops from 1
    thread: str
    ran_s: float
    busy_s: float  # of it, neither waiting in the kernel nor after that for the GIL
    busy_share: float  # 0 to 1
    gil_wait_s: float  # waiting for the GIL between steps, which another thread held
    gil_longest_s: float
    steps: int
    pending: int  # tasks that have not ended
    blocked: int  # steps at or over the threshold
    longest_s: float
    lag: Lag


@dataclass(frozen=True, slots=True)
class Second:
    """What a loop did in a second: a row of the recording's history."""

    loop: int  # Loop.number
    end_s: float
    lasted_s: float  # more than a second where the machine let nothing be written down
    busy_s: float
    gil_wait_s: float
    lag_p99_s: float
    lag_max_s: float
    steps: int
    pending: int  # tasks, at its end
    blocked: int  # steps that ended in it, at or over the threshold


@dataclass(frozen=True, slots=True)
class BlockedStep:
    """A step that ran for the threshold or longer, so that nothing else could."""

    begin_s: float
    duration_s: float
    delay_s: float
    kind: str  # as of Step; call, of one that a thread runs
    loop: int  # Loop.number; 0: not known, or none
    who: str | None  # the task or callback in words
    ended: bool  # False: it was still running
    blocker: str | None
    """waiting, python, native, native-gil, gc, starved; None: the watch did not see it."""
    culprit: Frame  # where most of the time went, in the user's own code
    stack: tuple[Frame, ...]  # inside the step, innermost first; empty where it was not seen
    gil_wait_s: float  # of the time, waiting for the GIL that another thread held


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool of workers, with the totals of its calls."""

    number: int
    kind: str  # the name of its class
    name: str
    workers: int
    is_open: bool
    open_s: float
    busy_share: float  # of its workers, while it was open; 0 to 1
    calls: int
    done: int
    raised: int
    cancelled: int
    abandoned: int
    died: int
    in_flight: int
    waited_s: float  # for a worker, all calls together, as the rest
    travelled_s: float
    ran_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a pool that came to its end. None: it did not come so far, or does not travel."""

    pool: int  # Pool.number
    site: Site | None  # its function
    worker: str | None
    state: str  # done, raised, cancelled, abandoned, died
    queued_s: float
    sent_s: float | None
    began_s: float | None
    ended_s: float | None
    received_s: float | None
    bytes_out: int
    bytes_back: int


@dataclass(frozen=True, slots=True)
class RunningCall:
    """A call of a pool that a worker runs, or ran when its program died."""

    pool: int  # Pool.number
    worker: str
    site: Site | None  # its function
    number: int  # how many calls the worker has begun, this one among them
    since_s: float  # when it began; of a worker that is a process, as far as its parent knew


@dataclass(frozen=True, slots=True)
class Lost:
    """How much a recording no longer has, or had no room for."""

    events: int  # steps, waits, births and ends of tasks
    calls: int
    blocked: int  # steps that are counted, and not in `blocked`
    tasks: int
    sites: int
