"""Who made each step of a run possible: pure, from what the recorder saw.

A step became ready at one moment, and something made it so. Where another step did, the
recording names it. Where the kernel or a clock did, the recording cannot know why: a reply
comes because a request was sent, a timer fires because it was set. So that is inferred:

- What wakes a task was, most likely, asked for by that task when it last ran: it set the
  timer, or sent the request, and then waited.
- What wakes nobody follows the last step of the same code, as a callback does that sets its
  own timer again. Where a timer was due before that step, its time stands as it is.
- A task that is made ready outside of any step is so between two runs of its loop, as by
  `asyncio.run` at its end: it follows the task that the loop was run for.

A task that waits for several others, as `gather` does, is woken by the last of them, and the
recording names just that one. When steps move, another one can be the last. So where a
task's end wakes another task, that one joins those that ended since it last ran: its children,
or else those that are alike and woke nobody, as do tasks that count themselves down to an event.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping

from fournil.observe.replay.arrivals import Arrivals
from fournil.observe.replay.steps import NONE, POLLED, Causes, Columns, Come, is_task
from fournil.record.kinds import SITE_BIT, Kind

ROUNDING_S = 1e-7
"""Times are sums of rounded numbers, so equal moments may differ by this much."""

ROUNDING_SHARE = 2e-6
"""A recorded delay may be shorter than the true one by this share of itself."""

MOST_JOINED = 1000
"""A step waits for the ends of this many tasks at most."""

CALLBACKS_BETWEEN = 4
"""So many callbacks may lie between the end of a task and the step that it makes ready."""


def find_causes(
    steps: Columns,
    code_of: Mapping[int, int] | None = None,
    *,
    was_cut: bool = False,
    come: Come = "",
) -> Causes:
    """Return what each step waited for, as far as the steps say it or suggest it.

    Args:
        steps: all that ran, in any order.
        code_of: what code a task runs, as any number; tasks are alike where it is not said.
        was_cut: the program was killed or runs still, so no step tells how the run ended.
        come: when what comes from outside does, where that is not known.

    >>> from fournil.observe.replay.steps import Step
    >>> first, second = Step(0.0, 1.0, 0.0, 1, 0, 1, 0), Step(1.0, 2.0, 0.5, 2, 1, 1, 0)
    >>> causes = find_causes(Columns.of([first, second]))
    >>> causes.base, causes.offset
    ([-1, 0], [0.0, 0.5])
    """
    steps, order = steps.in_order()
    begin, duration, delay, subject, waker, kind, thread = steps
    ready = [at - late for at, late in zip(begin, delay, strict=True)]
    ended = [at + ran for at, ran in zip(begin, duration, strict=True)]
    of_subject, follows, base = _named_causes(begin, ended, ready, subject, waker)
    overhead, turn, closing, turns = _turns(begin, duration, delay, thread)
    causes = Causes(
        order=order,
        begin=begin,
        duration=duration,
        ready=ready,
        subject=subject,
        kind=kind,
        thread=thread,
        overhead=overhead,
        base=base,
        from_end=[False] * len(begin),
        offset=[at - begin[by] if by != NONE else at for at, by in zip(ready, base, strict=True)],
        bounds={},
        follows=follows,
        joins={},
        turn=turn,
        closing=closing,
        turns=turns,
        is_sure=True,
        last=[],
    )
    code_of = code_of or {}
    woken = _woken_tasks(subject, base)
    _joins(causes, waker, of_subject, woken, code_of)
    inference = _Inference(causes, of_subject, woken, Arrivals(causes, code_of, of_subject, come))
    inference.run()
    causes.last.extend(inference.last_steps(was_cut=was_cut))
    return causes


def _named_causes(
    begin: list[float],
    ended: list[float],
    ready: list[float],
    subject: list[int],
    waker: list[int],
) -> tuple[dict[int, list[int]], list[int], list[int]]:
    """Return the steps of each subject, each step's step before, and the causes on record.

    The cause is the step of the waker that ran when the step became ready. Where none did, since
    times are rounded, it is the last that had begun by then, or begins at the same moment.
    """
    of_subject: dict[int, list[int]] = {}
    follows, cause = [], []
    for index, (who, by, at) in enumerate(zip(subject, waker, ready, strict=True)):
        found = NONE
        if by and by in of_subject:
            candidates = of_subject[by]
            found = candidates[-1]
            if begin[found] > at:
                # The waker has run again since; places are in the order of begins.
                place = bisect_right(candidates, at, key=begin.__getitem__)
                found = candidates[place - 1] if place else NONE
                if found == NONE or ended[found] < at - ROUNDING_S:
                    after = candidates[place]
                    if begin[after] <= at + ROUNDING_S:
                        found = after
        cause.append(found)
        same = of_subject.get(who)
        if same is None:
            of_subject[who] = [index]
            follows.append(NONE)
        else:
            follows.append(same[-1] if 0 < who < SITE_BIT else NONE)
            same.append(index)
    return of_subject, follows, cause


def _turns(
    begin: list[float], duration: list[float], delay: list[float], thread: list[int]
) -> tuple[list[float], list[int], list[int], list[tuple[int, int]]]:
    """Return for each step the loop's overhead before it, its turn, the last step before that.

    And return the first and the last step of each turn. A loop runs in one turn what was
    ready when the turn began, so a step that became ready later opens the next turn.
    """
    last: dict[int, int] = {}  # by thread: the step before
    opened: dict[int, float] = {}  # by thread: when its turn began
    overhead, turn, closing = [], [], []
    first_of_turn: list[int] = []
    last_of_turn: list[int] = []
    for index, (at, late, where) in enumerate(zip(begin, delay, thread, strict=True)):
        before = last.get(where, NONE)
        last[where] = index
        since = at - late
        if before == NONE:
            overhead.append(late)
        else:
            could = begin[before] + duration[before]
            if since > could:
                could = since
            overhead.append(at - could if at > could else 0.0)
        if before == NONE or since - late * ROUNDING_SHARE > opened[where]:
            opened[where] = at
            turn.append(len(first_of_turn))
            closing.append(before)
            first_of_turn.append(index)
            last_of_turn.append(index)
        else:
            turn.append(turn[before])
            closing.append(closing[before])
            last_of_turn[turn[before]] = index
    return overhead, turn, closing, list(zip(first_of_turn, last_of_turn, strict=True))


def _woken_tasks(subject: list[int], cause: list[int]) -> list[int]:
    """Return for each step the first task that it woke, itself or through callbacks, or 0."""
    woken = [0] * len(subject)
    # Backwards, so that what a callback woke is known when the callback's cause asks.
    for index in range(len(subject) - 1, -1, -1):
        by = cause[index]
        if by != NONE:
            who = subject[index]
            woken[by] = (who if 0 < who < SITE_BIT else woken[index]) or woken[by]
    return woken


def _joins(
    causes: Causes,
    waker: list[int],
    of_subject: dict[int, list[int]],
    woken: list[int],
    code_of: Mapping[int, int],
) -> None:
    """Set the tasks' ends that a step waited for, where a task's end made it ready."""
    subject = causes.subject
    parent = {who: waker[places[0]] for who, places in of_subject.items()}
    children: dict[int, list[int]] = {}  # by parent: their last steps since it last ran
    counted: dict[tuple[int, int], list[int]] = {}  # last steps of tasks that are alike
    for index, who in enumerate(subject):
        if not is_task(who):
            continue
        own = children.pop(who, [])
        by = _ended_task(subject, causes.base, index)
        if by in own:
            causes.joins[index] = own
        elif by != NONE and of_subject[subject[by]][-1] == by:
            alike = counted.get((parent[subject[by]], code_of.get(subject[by], NONE)), [])
            upto = bisect_right(alike, by)
            since = bisect_right(alike, causes.follows[index])
            if since < upto:
                causes.joins[index] = alike[max(since, upto - MOST_JOINED) : upto]
        if of_subject[who][-1] == index:
            children.setdefault(parent[who], []).append(index)
            if not woken[index] and who in code_of:
                counted.setdefault((parent[who], code_of[who]), []).append(index)


def _ended_task(subject: list[int], cause: list[int], index: int) -> int:
    """Return the task's step, with only callbacks between, that made a step ready, or NONE."""
    by = cause[index]
    for _ in range(CALLBACKS_BETWEEN):
        if by == NONE or is_task(subject[by]):
            break
        by = cause[by]
    return by


class _Inference:
    """Sets the causes that the recording does not name, and what depends on them."""

    def __init__(
        self,
        causes: Causes,
        of_subject: dict[int, list[int]],
        woken: list[int],
        arrivals: Arrivals,
    ) -> None:
        self.causes = causes
        self.of_subject = of_subject
        self.arrivals = arrivals
        self.woken = woken
        self.firings: dict[int, list[int]] = {}  # by site of timers: all, those that wake a task
        # Tasks for which a loop was run: what made them ready was no step.
        self.roots: dict[int, list[int]] = {}  # by thread: their steps
        for who, places in of_subject.items():
            if is_task(who) and causes.base[places[0]] == NONE:
                self.roots.setdefault(causes.thread[places[0]], []).extend(places)
        for places in self.roots.values():
            places.sort()

    def run(self) -> None:
        causes = self.causes
        unnamed = [index for index, by in enumerate(causes.base) if by == NONE]
        for index in unnamed:
            if causes.kind[index] == Kind.TIMER:
                counts = self.firings.setdefault(causes.subject[index], [0, 0])
                counts[self.woken[index] != 0] += 1
        for index in unnamed:
            ready, kind = causes.ready[index], causes.kind[index]
            cause = self._cause(index, kind)
            if cause != NONE and causes.begin[cause] <= ready:
                causes.set_base(index, cause, ready)
            if kind in POLLED:
                self.arrivals.add(index, self.woken[index])
        self.arrivals.place()

    def _cause(self, index: int, kind: int) -> int:
        causes = self.causes
        who = causes.subject[index]
        if is_task(who):
            return self._end_of_run(causes.thread[index], causes.closing[index])
        same = self.of_subject[who]
        if kind == Kind.TIMER:
            wakes_nobody, wakes = self.firings[who]
            if wakes < wakes_nobody:
                before = self._before(same, index)
                # It was not set by a step of the same code if another one came between.
                is_next = before != NONE and same[bisect_left(same, index) - 1] == before
                return before if is_next else NONE
        if woken := self.woken[index]:
            asked = self._before(self.of_subject[woken], index)
            if asked != NONE or kind == Kind.TIMER:
                return asked
        before = self._before(same, index)
        return before if before != NONE else causes.closing[index]

    def _before(self, places: list[int], index: int) -> int:
        """Return the last of the steps that had begun when a step became ready, or NONE."""
        begun = bisect_right(self.causes.begin, self.causes.ready[index], 0, index)
        count = bisect_left(places, begun)
        return places[count - 1] if count else NONE

    def _end_of_run(self, where: int, closing: int) -> int:
        """Return the step that ended a run of a thread's loop whose last step was `closing`.

        It is the last step of a root if that was in the last two turns: the end of the task
        stops the loop one turn later, and others may run in these turns.
        """
        causes, roots = self.causes, self.roots.get(where)
        if closing == NONE or not roots:
            return closing
        place = bisect_right(roots, closing)
        before = causes.closing[closing]
        turns = (causes.turn[closing], causes.turn[before] if before != NONE else NONE)
        if place and causes.turn[roots[place - 1]] in turns:
            return roots[place - 1]
        return closing

    def last_steps(self, *, was_cut: bool) -> list[int]:
        """Return the steps with which the run ended."""
        last = {where: index for index, where in enumerate(self.causes.thread)}
        if was_cut:
            return list(last.values())
        found = {where: self._end_of_run(where, index) for where, index in last.items()}
        rooted = [end for where, end in found.items() if end in self.roots.get(where, ())]
        return rooted or list(found.values())
