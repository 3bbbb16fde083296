"""A loop without a clock: runs small programs in no time and records their steps.

A program is a generator that yields what it does. Its blocks can be mended: then the same
program waits off the loop where it blocked it, and the time that it takes is what a replay
of the recorded, unmended run has to predict.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Any, NamedTuple

from fournil.observe.replay.steps import Step
from fournil.record.kinds import SITE_BIT, Kind

STEP_S = 1e-5  # what each step takes besides its blocks
POLL_S = 5e-6  # what each turn takes besides its steps

TIMER_SITE, READER_SITE, DONE_SITE, TICK_SITE = (SITE_BIT | index for index in range(1, 5))


class Block(NamedTuple):
    """Blocks the loop; mended, waits in the meantime."""

    seconds: float


class Sleep(NamedTuple):
    seconds: float


class Ask(NamedTuple):
    """Asks a server elsewhere, which answers after so long."""

    seconds: float


class Spawn(NamedTuple):
    """Starts a task and gives its `Task`."""

    program: Program


class Join(NamedTuple):
    """Waits for tasks, as `gather` does."""

    tasks: list[Task]


class Put(NamedTuple):
    """Puts an item into a queue; never waits."""

    queue: Queue


class Get(NamedTuple):
    """Takes an item from a queue."""

    queue: Queue


class Send(NamedTuple):
    """Sends to a socket of the same program."""

    pipe: Pipe


class Receive(NamedTuple):
    pipe: Pipe


Action = Block | Sleep | Ask | Spawn | Join | Put | Get | Send | Receive
Program = Generator[Action, Any, None]


@dataclass
class Task:
    id: int
    program: Program
    is_done: bool = False
    joining: Callable[[], None] | None = None


@dataclass
class Queue:
    items: int = 0
    getters: deque[Task] = field(default_factory=deque)


@dataclass
class Pipe:
    messages: int = 0
    reader: Task | None = None


class Due(NamedTuple):
    """A step that is ready to run."""

    run: Callable[[], None]
    kind: Kind
    subject: int
    waker: int
    ready: float


class ToyLoop:
    """Runs one program to its end."""

    def __init__(self, *, mended: bool = False, thread: int = 0) -> None:
        self.mended = mended
        self.thread = thread
        self.now = 0.0
        self.steps: list[Step] = []
        self.blocked: list[int] = []  # places in `steps`
        self.code_of: dict[int, int] = {}  # by task: which function it runs
        self._codes: dict[object, int] = {}
        self._current = 0
        self._due: deque[Due] = deque()
        self._timers: list[tuple[float, int, Callable[[], None], int]] = []
        self._arrivals: list[tuple[float, int, Callable[[], None]]] = []
        self._count = count()
        self._ids = count(1)

    def run(self, program: Program) -> float:
        """Run a program and return how long it took."""
        main = self._start(program)
        while not main.is_done:
            self._turn()
        return self.now

    def call_later(self, seconds: float, callback: Callable[[], None]) -> None:
        """Run a callback of the program's own later."""
        heappush(self._timers, (self.now + seconds, next(self._count), callback, TICK_SITE))

    def block(self, seconds: float) -> None:
        """Block in a callback."""
        if not self.mended:
            self.now += seconds

    def _turn(self) -> None:
        if not self._due:
            moments = [queue[0][0] for queue in (self._timers, self._arrivals) if queue]
            self.now = max(self.now, min(moments))
        self.now += POLL_S
        while self._arrivals and self._arrivals[0][0] <= self.now:
            _, _, run = heappop(self._arrivals)
            self._due.append(Due(run, Kind.READER, READER_SITE, 0, self.now))
        while self._timers and self._timers[0][0] <= self.now:
            deadline, _, run, site = heappop(self._timers)
            self._due.append(Due(run, Kind.TIMER, site, 0, deadline))
        for _ in range(len(self._due)):
            self._step(self._due.popleft())

    def _step(self, due: Due) -> None:
        begin = self.now
        self._current = due.subject
        self.now += STEP_S / 2
        due.run()
        self._current = 0
        self.now += STEP_S / 2
        taken = self.now - begin
        if taken > 5 * STEP_S:
            self.blocked.append(len(self.steps))
        delay = begin - due.ready
        self.steps.append(Step(begin, taken, delay, due.subject, due.waker, due.kind, self.thread))

    def _start(self, program: Program) -> Task:
        task = Task(next(self._ids), program)
        code = program.gi_code  # type: ignore[attr-defined]
        self.code_of[task.id] = self._codes.setdefault(code, len(self._codes) + 1)
        self._wake(task)
        return task

    def _wake(self, task: Task, value: object = None) -> None:
        self._soon(lambda: self._advance(task, value), Kind.TASK, task.id)

    def _soon(self, run: Callable[[], None], kind: Kind, subject: int) -> None:
        self._due.append(Due(run, kind, subject, self._current, self.now))

    def _wake_later(self, task: Task, seconds: float) -> None:
        when = self.now + seconds
        heappush(self._timers, (when, next(self._count), lambda: self._wake(task), TIMER_SITE))

    def _advance(self, task: Task, value: object) -> None:
        """Run a task until it waits."""
        while True:
            try:
                action = task.program.send(value)
            except StopIteration:
                task.is_done = True
                if task.joining:
                    self._soon(task.joining, Kind.CALLBACK, DONE_SITE)
                return None
            value = None
            match action:
                case Block(seconds) if not self.mended:
                    self.now += seconds
                case Block(seconds) | Sleep(seconds):
                    return self._wake_later(task, seconds)
                case Ask(seconds):
                    when = self.now + seconds
                    run = lambda: self._wake(task)  # noqa: E731
                    return heappush(self._arrivals, (when, next(self._count), run))
                case Spawn(program):
                    value = self._start(program)
                case Join(tasks):
                    if self._join(task, tasks):
                        return None
                case Put(queue):
                    queue.items += 1
                    if queue.getters:
                        self._wake(queue.getters.popleft())
                        queue.items -= 1
                case Get(queue):
                    if not queue.items:
                        queue.getters.append(task)
                        return None
                    queue.items -= 1
                case Send(pipe):
                    pipe.messages += 1
                    self._arrive(pipe)
                case Receive(pipe):
                    pipe.reader = task
                    if pipe.messages:
                        self._arrive(pipe)
                    return None

    def _arrive(self, pipe: Pipe) -> None:
        if pipe.reader is not None:
            reader, pipe.reader = pipe.reader, None
            pipe.messages -= 1
            run = lambda: self._wake(reader)  # noqa: E731
            heappush(self._arrivals, (self.now, next(self._count), run))

    def _join(self, parent: Task, tasks: Iterable[Task]) -> bool:
        """Let a task wait for others; return whether there is anything to wait for."""
        pending = [task for task in tasks if not task.is_done]
        left = len(pending)

        def done() -> None:
            nonlocal left
            left -= 1
            if not left:
                self._wake(parent)

        for task in pending:
            task.joining = done
        return bool(pending)
