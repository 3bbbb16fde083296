"""What a recorded run would have been with some of its steps moved off the loop: pure.

The run is replayed. Each step becomes ready when what it waited for (`causes`) has come, and
its loop, which runs one step at a time, takes the steps in the order in which they became
ready. A moved step takes next to nothing on the loop; the rest of it runs elsewhere, and what
waited for its end waits for that.

Elsewhere is not without bounds. What waits without a thread, waits beside anything. In
threads, asyncio's default pool runs a bounded number of calls at once. What uses the CPU
takes one of the cores for its whole time. Calls begin in the order in which they are sent.

What a move costs besides (a pool that starts, arguments that travel), what takes turns at a server,
and who else wants the cores, is told to the replay. What it cannot know is that a program may do
other things when others come first.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heappush, heapreplace
from typing import NamedTuple

from fournil.observe.recording.lag import Lag, lag_of_turns
from fournil.observe.replay.causes import find_causes
from fournil.observe.replay.steps import NONE, POLLED, Columns, Come, Step
from fournil.record.kinds import Kind

__all__ = ["Move", "Outcome", "Replay", "Step", "replay"]

POOLS = frozenset({"thread", "process"})

MOVED, JOINED, LAST = 1, 2, 4
"""Marks of steps: it is moved; other tasks wait for its end; the run ends with it."""

HANDOVER_S = 1e-4
"""What a moved step still takes on its loop, at most: sending the call, taking the result."""


class Move(NamedTuple):
    """Where a step goes, or a part of it."""

    to: str  # "thread", "process", or "await": it waits as a task does, in no thread
    uses_cpu: bool
    share: float = 1.0  # of the step; the rest stays on the loop
    send_s: float = 0.0  # how long its loop is busy with sending it and taking its result
    extra_s: float = 0.0  # how much longer it takes there
    start_s: float = 0.0  # how long the pool's workers take to start
    import_s: float = 0.0  # and then to import what they are to run
    start_on_loop_s: float = 0.0  # how long the loop of the pool's first call is busy with that
    turns: str = ""  # what those of one name take turns for; empty: they run beside each other
    at_once: int = 1  # so many of them run at a time
    all_cores: bool = False  # it uses all of them by itself


class Rivals(NamedTuple):
    """Other programs that want the machine's cores."""

    number: float = 0.0  # how many, each of which would keep a core busy
    share: float = 1.0  # how much of a core the recorded steps had for themselves beside them


ALONE = Rivals()

Moves = Mapping[int, Move | Sequence[Move]]
"""Where each step goes, by its place; with several moves, each of its parts one after the other."""


class Outcome(NamedTuple):
    """What a run would have been; times in seconds."""

    run_s: float
    busy_s: float  # inside steps, all loops together
    lag: Lag  # of the loop that lags most
    coarse: bool = False  # steps were replayed of which little is known
    range_s: tuple[float, float] | None = None  # in which the run's time lies; None: not estimated
    assumes: tuple[str, ...] = ()  # what makes it longer, in words


def replay(steps: Sequence[Step], moved: Moves, *, cores: int, run_s: float) -> Outcome:
    """Return what a run would have been with some steps moved off their loop.

    Args:
        steps: all steps of the run, in any order.
        moved: where to move each step, by its place in `steps`.
        cores: how many cores the machine has.
        run_s: how long the run took, in seconds.

    >>> steps = [Step(0.0, 1.0, 0.0, 1, 0, 1, 0), Step(1.0, 1.0, 1.0, 2, 0, 1, 0)]
    >>> wait = Move("await", uses_cpu=False)
    >>> round(replay(steps, {0: wait, 1: wait}, cores=2, run_s=2.0).run_s, 3)
    1.0
    """
    return Replay(Columns.of(steps), cores=cores, run_s=run_s).outcome(moved)


class Replay:
    """A recorded run that can be replayed many times.

    Args:
        steps: all steps of the run, in any order; about 5 us each are spent here.
        cores: how many cores the machine has.
        run_s: how long the run took, in seconds.
        ran_s: how long each loop of it ran, by thread; `run_s` where it is not said.
        code_of: what code a task runs, as any number; tasks are alike where it is not said.
        was_cut: the program was killed or runs still, so no step tells how the run ended.
        come: who made ready what came from outside, where it can have been several.
    """

    def __init__(
        self,
        steps: Columns,
        *,
        cores: int,
        run_s: float,
        ran_s: Mapping[int, float] | None = None,
        code_of: Mapping[int, int] | None = None,
        was_cut: bool = False,
        come: Come = "",
    ) -> None:
        self.causes = causes = find_causes(steps, code_of, was_cut=was_cut, come=come)
        self.cores = max(1, cores)
        self.run_s = run_s
        self.ran_s = ran_s or {}
        self.place_of: Sequence[int] | Mapping[int, int] = causes.order
        if not isinstance(causes.order, range):
            self.place_of = {given: place for place, given in enumerate(causes.order)}
        self.end = [at + ran for at, ran in zip(causes.begin, causes.duration, strict=True)]
        # A step's dependents as linked lists: `first` of the step, then `next` of each.
        self.first = [NONE] * len(causes.begin)
        self.next = [NONE] * len(causes.begin)
        # What may not begin before a step has ended: its task's next step, and those that
        # join the task.
        self.follower = [NONE] * len(causes.begin)
        self.joining: dict[int, list[int]] = {}
        for index in range(len(causes.begin) - 1, -1, -1):
            base, before = causes.base[index], causes.follows[index]
            if base != NONE:
                self.next[index], self.first[base] = self.first[base], index
            if before != NONE:
                self.follower[before] = index
        for index, joined in causes.joins.items():
            for ended in joined:
                self.joining.setdefault(ended, []).append(index)
        self.marks = bytearray(len(causes.begin))
        for ended in self.joining:
            self.marks[ended] = JOINED
        # In which order a turn runs what is due: the steps' own, the poll's, the timers.
        self.rank = [
            2 if kind == Kind.TIMER else 1 if kind in POLLED else 0 for kind in causes.kind
        ]
        self.turns: dict[int, list[tuple[float, float]]] = {}  # by thread: begins and ends
        for opening, closing in causes.turns:
            turn = causes.begin[opening], self.end[closing]
            self.turns.setdefault(causes.thread[opening], []).append(turn)
        self.span, self.after = self._ends()
        self.until = max(
            (self.end[last] + after for last, after in self.after.items()), default=0.0
        )

    def outcome(self, moved: Moves, rivals: Rivals = ALONE, come: Come = "") -> Outcome:
        """Return what the run would have been with some steps moved; see `replay`.

        Args:
            moved: where to move each step.
            rivals: who else wants the cores.
            come: when what comes from outside does, where that is not known.
        """
        return self._simulate(moved, rivals, come).outcome()

    def run_time(self, moved: Moves, rivals: Rivals = ALONE) -> float:
        """Return how long the run would have taken, in seconds; faster than `outcome`."""
        return self._simulate(moved, rivals, "").run_s

    def _ends(self) -> tuple[dict[int, float], dict[int, float]]:
        """Return how long each loop's steps span, and how long it ran after each last step."""
        causes = self.causes
        span = {where: turns[-1][1] - turns[0][0] for where, turns in self.turns.items()}
        ended = {where: turns[-1][1] for where, turns in self.turns.items()}
        return span, {last: ended[causes.thread[last]] - self.end[last] for last in causes.last}

    @property
    def is_told(self) -> bool:
        """Whether it is known when all came that came from outside."""
        return not self.causes.bounds

    def _simulate(self, moved: Moves, rivals: Rivals, come: Come) -> _Run:
        moves = {
            self.place_of[given]: (move,) if isinstance(move, Move) else tuple(move)
            for given, move in moved.items()
        }
        offset = self.causes.offset
        if come:
            offset = offset.copy()
            for index, bounds in self.causes.bounds.items():
                offset[index] = bounds[come == "late"]
        run = _Run(self, moves, rivals, offset)
        run.prepare()
        run.go()
        return run


class _Run:
    """One replay. Until the first moved step it is the recorded run."""

    def __init__(
        self,
        model: Replay,
        moved: Mapping[int, tuple[Move, ...]],
        rivals: Rivals,
        offset: list[float],
    ) -> None:
        self.offset = offset
        self.rivals = rivals
        self.model = model
        self.moved = moved
        # A turn is replayed as a whole.
        causes = model.causes
        self.start = min((causes.turns[causes.turn[index]][0] for index in moved), default=0)
        self.size = len(model.causes.begin)
        self.begin = model.causes.begin.copy()  # of a moved step: where it runs
        self.end = model.end.copy()
        self.ready = model.causes.ready.copy()
        self.waiting = [0] * len(self.begin)  # of what a step waits for, how much is to come
        self.free = dict.fromkeys(model.span, 0.0)  # by thread: when its loop is free again
        self.heaps: dict[int, list[int]] = {where: [] for where in model.span}
        self.lasts = {last for last in causes.last if last >= self.start}
        self.stop = float("inf")  # no turn begins then or later
        self.marks = bytearray(model.marks)
        for index in moved:
            self.marks[index] |= MOVED
        for index in self.lasts:
            self.marks[index] |= LAST
        self.ran: list[int] = []
        self.saved = 0.0  # what the moved steps no longer take on their loops
        self.turns = {where: self._recorded_turns(where) for where in model.span}
        self.threads = [0.0] * threads_of(model.cores)  # a heap: when each is free again
        self.cores = [0.0] * model.cores  # the same
        self.processes: list[float] | None = None  # the same, of a pool that has started
        self.alone: dict[str, list[float]] = {}  # by `Move.turns`: a heap: when the next may begin
        self.pools_until = 0.0
        self.after = self._after()

    def _recorded_turns(self, where: int) -> list[tuple[float, float]]:
        """Return when each turn of a loop began and ended before the replay starts."""
        turns = self.model.turns[where]
        place = bisect_left(turns, (self.model.causes.begin[self.start], 0.0)) if turns else 0
        return turns[:place]

    def _after(self) -> dict[int, float]:
        """Return how long each loop runs on after its last step, where others may be moved."""
        causes = self.model.causes
        return {
            last: after
            - sum(
                _spared(causes.duration[index], moves)
                for index, moves in self.moved.items()
                if index > last and causes.thread[index] == causes.thread[last]
            )
            for last, after in self.model.after.items()
        }

    def prepare(self) -> None:
        """Find what each step waits for that is replayed, and when the rest had come."""
        causes, start = self.model.causes, self.start
        begin, end, base, from_end = self.begin, self.end, causes.base, causes.from_end
        for index in range(start):
            self.free[causes.thread[index]] = end[index]
        for index in range(start, len(begin)):
            by, before = base[index], causes.follows[index]
            ready, waiting = self.offset[index], 0
            if by >= start:
                ready, waiting = 0.0, 1
            elif by != NONE:
                ready += end[by] if from_end[index] else begin[by]
            if before >= start:
                waiting += 1
            elif before != NONE and end[before] > ready:
                ready = end[before]
            for ended in causes.joins.get(index, ()):
                if ended >= start:
                    waiting += 1
                elif end[ended] > ready:
                    ready = end[ended]
            self.ready[index] = ready
            self.waiting[index] = waiting
            if not waiting:
                self.heaps[causes.thread[index]].append(self._key(index))
        for heap in self.heaps.values():
            heapify(heap)

    def go(self) -> None:
        """Run the steps from `start` on, each time a turn of the loop whose turn is next.

        In a turn a loop runs what was ready when it began: first what steps made ready, then
        what the poll reports, then the timers. What becomes ready in the same microsecond
        keeps its recorded order: times of events of one poll differ by rounding alone.

        One long function, since calls for each turn and step would double its time.
        """
        model, size, heaps = self.model, self.size, self.heaps
        causes, first, after = model.causes, model.first, model.next
        follower, rank, marks = model.follower, model.rank, self.marks
        duration, overhead, thread = causes.duration, causes.overhead, causes.thread
        from_end, offset, waiting = causes.from_end, self.offset, self.waiting
        begin, end, ready, free = self.begin, self.end, self.ready, self.free
        while (where := self._next_loop()) is not None:
            heap = heaps[where]
            index = heappop(heap) % size
            now = free[where]
            if ready[index] > now:
                now = ready[index]
            if now >= self.stop:
                break
            due = [index]
            # The poll takes a moment, and finds what becomes due in it.
            limit = int((now + overhead[index]) * 1e6 + 1.5) * size
            while heap and heap[0] < limit:
                due.append(heappop(heap) % size)
            if len(due) > 1:
                due.sort(key=rank.__getitem__)
            opened = now + overhead[due[0]]
            for index in due:
                if ready[index] > now:
                    now = ready[index]
                now += overhead[index]
                mark = marks[index]
                if mark & MOVED:
                    ran, done, now = self._move(index, now)
                else:
                    ran = now
                    now = done = now + duration[index]
                begin[index] = ran
                end[index] = done
                dependent = first[index]
                while dependent != NONE:
                    at = (done if from_end[dependent] else ran) + offset[dependent]
                    if at > ready[dependent]:
                        ready[dependent] = at
                    waiting[dependent] -= 1
                    if not waiting[dependent]:
                        key = int(ready[dependent] * 1e6 + 0.5) * size + dependent
                        heappush(heaps[thread[dependent]], key)
                    dependent = after[dependent]
                dependent = follower[index]
                if dependent != NONE:
                    if done > ready[dependent]:
                        ready[dependent] = done
                    waiting[dependent] -= 1
                    if not waiting[dependent]:
                        key = int(ready[dependent] * 1e6 + 0.5) * size + dependent
                        heappush(heaps[thread[dependent]], key)
                if mark:
                    self._end_marked(index, mark)
            free[where] = now
            self.turns[where].append((opened, now))
            self.ran += due

    def _end_marked(self, index: int, mark: int) -> None:
        """Do what is to be done at the ends of few steps."""
        if mark & JOINED:
            for dependent in self.model.joining[index]:
                self.ready[dependent] = max(self.ready[dependent], self.end[index])
                self.waiting[dependent] -= 1
                if not self.waiting[dependent]:
                    heap = self.heaps[self.model.causes.thread[dependent]]
                    heappush(heap, self._key(dependent))
        if mark & LAST:
            self.lasts.remove(index)
            if not self.lasts:
                self.stop = self.until

    def _key(self, index: int) -> int:
        """Return what a loop's heap sorts a step by."""
        return int(self.ready[index] * 1e6 + 0.5) * self.size + index

    def _next_loop(self) -> int | None:
        """Return the loop whose next turn begins first."""
        next_ = None
        earliest = float("inf")
        for where, heap in self.heaps.items():
            if heap:
                if len(self.heaps) == 1:
                    return where
                at = max(self.free[where], self.ready[heap[0] % self.size])
                if at < earliest:
                    next_, earliest = where, at
        return next_

    def _move(self, index: int, now: float) -> tuple[float, float, float]:
        """Send a step elsewhere; return when it begins and ends there, and the loop is free."""
        moves, duration = self.moved[index], self.model.causes.duration[index]
        spared = _spared(duration, moves)
        if self.processes is None:
            spared -= max(
                (move.start_on_loop_s for move in moves if move.to == "process"), default=0.0
            )
        self.saved += spared
        sent = end = now + duration - spared  # what stays is done before
        for move in moves:
            end = self._run_elsewhere(move, duration * move.share, end)
            if move.to in POOLS:
                self.pools_until = max(self.pools_until, end)
        # What it made ready in its midst is counted from its begin, as if it had run in one piece.
        return end - duration, end, sent

    def _run_elsewhere(self, move: Move, duration: float, sent: float) -> float:
        """Return when a part of a step ends that was sent away at a moment."""
        begin = sent
        alone = pool = None
        if move.turns:
            alone = self.alone.setdefault(move.turns, [0.0] * move.at_once)
            begin = max(begin, alone[0])
        if move.to == "thread":
            pool = self.threads
        elif move.to == "process":
            if self.processes is None:
                start_s = max(0.0, move.start_s - move.start_on_loop_s)
                self.processes = [sent + start_s + move.import_s] * self.model.cores
            pool = self.processes
        if pool is not None:
            begin = max(begin, pool[0])
        if move.uses_cpu:
            begin = max(begin, max(self.cores) if move.all_cores else self.cores[0])
        takes = max(0.0, duration + move.extra_s)
        end = begin + takes
        if move.uses_cpu:
            end = begin + takes * self._slower(begin)
            if move.all_cores:
                self.cores = [end] * len(self.cores)
            else:
                heapreplace(self.cores, end)
        if pool is not None:
            heapreplace(pool, end)
        if alone is not None:
            heapreplace(alone, end)
        return end

    def _slower(self, begin: float) -> float:
        """Return how many times as long as recorded something takes beside what runs already."""
        cores, rivals = len(self.cores), self.rivals
        running = 1 + sum(busy_until > begin for busy_until in self.cores)
        share = min(1.0, cores / (rivals.number + running))
        return max(1.0, rivals.share / share)

    @property
    def until(self) -> float:
        """When the run ended: as long after its last steps as was recorded.

        Calls in pools are waited for, as `asyncio.run` and `with ProcessPoolExecutor()` do.
        """
        return max(
            self.pools_until,
            max((self.end[last] + after for last, after in self.after.items()), default=0.0),
        )

    @property
    def run_s(self) -> float:
        model = self.model
        return model.run_s - model.until + self.until

    def outcome(self) -> Outcome:
        model = self.model
        lags = [Lag(0.0, 0.0, 0.0)]
        for where, turns in self.turns.items():
            span = turns[-1][1] - turns[0][0] if turns else 0.0
            ran = model.ran_s.get(where, model.run_s) - model.span[where] + span
            lags.append(lag_of_turns(Counter(map(_length, turns)).items(), ran))
        duration = model.causes.duration
        busy = sum(duration[: self.start]) + sum(map(duration.__getitem__, self.ran)) - self.saved
        return Outcome(self.run_s, max(0.0, busy), max(lags, key=lambda lag: (lag.p99, lag.max)))


def threads_of(cores: int) -> int:
    """Return how many threads asyncio's default pool has."""
    return min(32, cores + 4)


def _spared(duration: float, moves: Sequence[Move]) -> float:
    """Return how much shorter a step is on its loop with parts of it moved."""
    spared = 0.0
    for move in moves:
        part = duration * move.share
        spared += part - min(HANDOVER_S, part) - move.send_s
    return spared


def _length(turn: tuple[float, float]) -> float:
    """Return how long a turn took; short ones rounded, so that there are few different ones."""
    length = turn[1] - turn[0]
    return length if length >= 1e-3 else round(length, 5)
