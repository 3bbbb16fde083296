"""Recordings for scripts: what a program's tasks, steps, calls did, as plain data.

>>> import asyncio, os, tempfile, fournil
>>> path = os.path.join(tempfile.mkdtemp(), "naps.fournil")
>>> with fournil.Recorder(path):
...     fournil.run(asyncio.sleep(0.01))
>>> recording = load(path)
>>> [task.state for task in recording.tasks if task.site.function == "sleep"]
['finished']
>>> len(recording.blocked)
0

`load` reads a recording once: of a program that ended, was killed, or still runs. `follow` goes on
reading while the program runs. Both only read the file: the program is asked nothing, and notices
nothing. `set_threshold` asks a program that runs.

All times are in seconds; moments are since the recording's start. What a recording no longer has,
since its rings overwrite their oldest entries, is counted in `Recording.lost`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from fournil.errors import RecordingError
from fournil.observe.recording import events, live, model, tasks
from fournil.observe.recording.lazy import LazySequence
from fournil.observe.recording.reading import Reader
from fournil.record import bounds, control, kinds
from fournil.record.kinds import Kind

__all__ = [
    "BlockedStep",
    "Call",
    "Frame",
    "Lag",
    "Loop",
    "Lost",
    "Pool",
    "Recording",
    "RunningCall",
    "Second",
    "Site",
    "Step",
    "Task",
    "follow",
    "load",
    "set_threshold",
]

_KINDS = {int(kind): kind.name.lower() for kind in Kind}
_STATES = [state.name.lower() for state in tasks.TaskState]
_CALL_STATES = {
    kinds.CALL_DONE: "done",
    kinds.CALL_RAISED: "raised",
    kinds.CALL_CANCELLED: "cancelled",
    kinds.CALL_ABANDONED: "abandoned",
    kinds.CALL_DIED: "died",
}


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
    kind: str  # as of Step
    loop: int  # Loop.number; 0: not known
    who: str | None  # the task or callback in words
    ended: bool  # False: it was still running
    blocker: str | None  # waiting, python, native, native-gil; None: the watch did not see it
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


@dataclass(frozen=True)
class Recording:
    """What a recording says, as it was when it was read. Parts are made when they are asked for."""

    pid: int
    parent: int  # the process that started it
    program: int  # a number that the processes of one program share
    argv: tuple[str, ...]
    python: str | None
    started_unix_s: float
    run_s: float  # until its end, or its last sign of life
    ended: bool  # the program closed its recording
    alive: bool  # the program runs still
    threshold_s: float
    lag: Lag  # of the loop that lags most
    loops: tuple[Loop, ...]
    sites: Sequence[Site]
    tasks: Sequence[Task]  # that are pending, and the latest that ended
    tasks_born: int
    blocked: Sequence[BlockedStep]  # in the order in which they began
    pools: tuple[Pool, ...]
    calls: Sequence[Call]  # that are left
    running: Sequence[RunningCall]
    history: Sequence[Second]  # of all loops: an hour of one, in a recording of the default size
    lost: Lost
    _events: events.Events = field(repr=False, compare=False)
    _names: _Names = field(repr=False, compare=False)

    def steps(self) -> Iterator[Step]:
        """Yield the steps of loops that are left, in the order in which they ended.

        They are made on the way, about half a million a second.
        """
        names = self._names
        for event in self._events.steps():
            subject = event.subject
            yield Step(
                event.begin,
                event.duration,
                event.delay,
                _KINDS[event.kind],
                names.loop(event.thread),
                None if subject & kinds.SITE_BIT or not subject else subject,
                names.site_of(subject),
            )

    def task_columns(self) -> dict[str, list[Any]]:
        """Return the tasks field by field, a few times faster than one by one: a table of them.

        The columns are those of `Task`, with what a site is in `function`, `file` and `line`.
        """
        found = self._names.recording
        columns = found.tasks.columns()
        del columns["parent"], columns["thread"]
        codes = list(map(found.codes.get, columns.pop("site")))
        for name in ("function", "file", "line"):
            columns[name] = [code and getattr(code, name) for code in codes]
        columns["state"] = [_STATES[state] for state in columns["state"]]
        return columns

    def step_columns(self) -> dict[str, list[float]]:
        """Return the same steps as numbers, field by field, at some two million a second.

        `pandas.DataFrame(recording.step_columns())` is a table of them. The columns are begin_s,
        duration_s, delay_s, and loop.
        """
        columns = self._events.step_columns()
        threads = columns.numbers("thread")
        loops = {thread: self._names.loop(thread) for thread in set(threads)}
        return {
            "begin_s": columns.begin,
            "duration_s": columns.duration,
            "delay_s": columns.delay,
            "loop": list(map(loops.__getitem__, threads)),
        }


def load(path: str) -> Recording:
    """Return the recording at `path`, as it is now.

    Raises:
        RecordingError: there is none, or it cannot be read.
    """
    return _public(live.load(path))


def follow(path: str, *, every: float = 1.0) -> Iterator[Recording]:
    """Yield the recording at `path` again and again, until its program has ended.

    The first comes at once, the last when the program has ended or was killed. Each is whole, not
    only what is new; a poll of a program with 100,000 tasks takes a few milliseconds.

    Args:
        path: the recording of a program that runs, or of one that ended.
        every: how long to sleep between two polls, in seconds. In a coroutine, take the next one
            by `await asyncio.to_thread(next, recordings, None)`.

    Raises:
        RecordingError: there is none, or it cannot be read; when the first is asked for, or later.
    """
    state = live.State()
    with Reader(path) as reader:
        while True:
            state.apply(reader.poll())
            recording = _public(state.recording())
            yield recording
            if not recording.alive:
                return
            time.sleep(every)


def set_threshold(path: str, seconds: float) -> None:
    """Have a program that is recorded take steps for blocked from so many seconds on.

    The program's watch does it, within a tenth of a second; whoever may write the file may ask.

    Args:
        path: the recording that the program writes.
        seconds: from 0.001 to 3600.

    Raises:
        ValueError: it is no threshold.
        RecordingError: there is no such recording, it has ended, or nobody answers.
    """
    seconds = bounds.threshold(seconds)
    try:
        control.set_threshold(path, seconds)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None)
        raise RecordingError(f"{path}: {reason}" if reason else str(error)) from error


class _Names:
    """Finds what the numbers of a recording mean, each once."""

    def __init__(self, recording: model.Recording) -> None:
        self.recording = recording
        self.loop = cache(self._loop)
        self.site = cache(self._site)
        self.site_of = cache(self._site_of)

    def _loop(self, thread: int) -> int:
        found = self.recording.threads.get(thread)
        return found.number if found else 0

    def _site(self, index: int) -> Site | None:
        site = self.recording.sites.get(index)
        if site is None:
            return None
        return Site(
            site.function,
            site.file,
            site.line,
            site.is_coroutine,
            site.tasks,
            site.steps,
            site.busy_s,
            site.delay_s,
            site.longest_s,
        )

    def _site_of(self, subject: int) -> Site | None:
        code = self.recording.code_of(subject)
        return None if code is None else self.site(code.index)


def _public(recording: model.Recording) -> Recording:
    names = _Names(recording)
    loops = tuple(map(_loop, recording.loops))
    unseen = recording.unseen
    return Recording(
        pid=recording.pid,
        parent=recording.parent,
        program=recording.program,
        argv=recording.meta.argv,
        python=recording.meta.python,
        started_unix_s=recording.started_unix_s,
        run_s=recording.run_s,
        ended=recording.ended,
        alive=recording.alive,
        threshold_s=recording.threshold_s,
        lag=max(
            (loop.lag for loop in loops),
            key=lambda lag: (lag.p99_s, lag.max_s),
            default=Lag(0.0, 0.0, 0.0),
        ),
        loops=loops,
        sites=LazySequence(
            lambda: [site for index in recording.sites if (site := names.site(index))]
        ),
        tasks=LazySequence(
            lambda: [_task(task, recording, names) for task in recording.tasks.values()]
        ),
        tasks_born=recording.tasks_born,
        blocked=LazySequence(
            lambda: [_blocked(step, recording, names) for step in recording.blocked]
        ),
        pools=tuple(map(_pool, recording.pools)),
        calls=LazySequence(lambda: [_call(call, recording, names) for call in recording.calls]),
        running=LazySequence(
            lambda: [
                RunningCall(
                    worker.pool, worker.name, names.site(worker.site), worker.calls, worker.since_s
                )
                for worker in recording.workers
                if worker.since_s is not None
            ]
        ),
        history=LazySequence(lambda: [Second(*second) for second in recording.history]),
        lost=Lost(unseen.events, unseen.calls, unseen.blocked, unseen.tasks, unseen.sites),
        _events=recording.events,
        _names=names,
    )


def _loop(loop: model.Thread) -> Loop:
    return Loop(
        number=loop.number,
        thread=loop.name,
        ran_s=loop.ran_s,
        busy_s=loop.busy_s,
        busy_share=loop.busy_share,
        gil_wait_s=loop.gil_wait_s,
        gil_longest_s=loop.gil_longest_s,
        steps=loop.steps,
        pending=loop.pending,
        blocked=loop.blocked,
        longest_s=loop.longest_s,
        lag=Lag(*loop.lag),
    )


def _task(task: tasks.Task, recording: model.Recording, names: _Names) -> Task:
    return Task(
        id=task.id,
        name=task.name,
        site=names.site(task.site),
        state=_STATES[task.state],
        made_by=recording.describe(task.parent),
        born_s=task.born_s,
        ended_s=task.ended_s,
        last_s=task.last_s,
        steps=task.steps,
        busy_s=task.busy_s,
        delay_s=task.delay_s,
        longest_s=task.longest_s,
    )


def _blocked(step: model.BlockedStep, recording: model.Recording, names: _Names) -> BlockedStep:
    return BlockedStep(
        begin_s=step.begin_s,
        duration_s=step.duration_s,
        delay_s=step.delay_s,
        kind=_KINDS.get(step.kind, "callback"),
        loop=names.loop(step.thread),
        who=recording.describe(step.subject),
        ended=step.ended,
        blocker=step.blocker.value if step.blocker else None,
        culprit=Frame(*step.culprit),
        stack=tuple(Frame(*frame) for frame in step.frames),
        gil_wait_s=step.gil_wait_s,
    )


def _pool(pool: model.Pool) -> Pool:
    return Pool(
        number=pool.number,
        kind=pool.kind,
        name=pool.name,
        workers=pool.workers,
        is_open=pool.is_open,
        open_s=pool.open_s,
        busy_share=pool.busy_share,
        calls=pool.calls,
        done=pool.done,
        raised=pool.raised,
        cancelled=pool.cancelled,
        abandoned=pool.abandoned,
        died=pool.died,
        in_flight=pool.in_flight,
        waited_s=pool.waited_s,
        travelled_s=pool.travelled_s,
        ran_s=pool.inside_s,
        cpu_s=pool.cpu_s,
    )


def _call(call: model.PoolCall, recording: model.Recording, names: _Names) -> Call:
    # A call has the lowest bits of its pool's number.
    numbers = [pool.number for pool in recording.pools if pool.number & 0xFFFF == call.pool]
    return Call(
        pool=max(numbers, default=call.pool),
        site=names.site(call.site),
        worker=call.worker,
        state=_CALL_STATES.get(call.state, "done"),
        queued_s=call.queued_s,
        sent_s=call.sent_s,
        began_s=call.began_s,
        ended_s=call.ended_s,
        received_s=call.received_s,
        bytes_out=call.bytes_out,
        bytes_back=call.bytes_back,
    )
