"""Who asks a server, and when: pure.

A request comes from outside and has a task begin: by a connection that is accepted, or by what
comes on one. Two kinds of load differ in what they do when a server becomes faster:

- Clients that ask again when they are answered (closed): so many requests as there are clients are
  always under way. A request comes as long as before after the end of the one before it.
- Clients that come by themselves (open): a request comes when it came, whatever was answered.

The recording does not say which it is, and where it can be either, a replay takes the one or the
other. Under a closed load about as many requests are under way whenever one has come; under an open
one the number changes, and grows where the server is too slow. Where only one is ever under way,
what is more regular tells: pauses after answers, or intervals.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
from statistics import mean, pstdev
from typing import NamedTuple

from fournil.observe.replay.steps import NONE, POLLED, Causes, Come, is_task
from fournil.record.kinds import Kind

FULL, LIKE = 0.75, (0.6, 1.5)
"""Under a closed load, this share of the moments has about as many requests under way as most."""

SURE, FAR = (0.6, 0.9), 4.0
"""Where the share is below or above these, and one spread so many times the other, it is sure."""

FEW = 4
"""From fewer requests nobody can tell how they come."""

SPREAD = 1.25
"""By so much the times of like events differ."""

SOON = 0.25
"""Where between its bounds the pause is that clients make."""

CALLBACKS_BETWEEN = 4
"""So many callbacks may lie between an event and the task that begins."""


class Request(NamedTuple):
    """A step that took what had come, and when that can have been."""

    step: int
    turn: int  # of the loop
    earliest: float
    latest: float
    is_exact: bool  # the loop waited for it


class Born:
    """The tasks that events had begin, and what descends from those.

    A connection that is accepted may have callbacks run, and what comes on it then has a task
    begin: both are one request, which came with the connection.
    """

    def __init__(self, causes: Causes, of_subject: Mapping[int, Sequence[int]]) -> None:
        self.of_event: dict[int, list[int]] = {}  # by step: tasks
        self.tasks: set[int] = set()
        self.accepted: dict[int, int] = {}  # by step that took the first that came: the accepting
        for who, places in of_subject.items():
            by = causes.base[places[0]] if is_task(who) else NONE
            for _ in range(CALLBACKS_BETWEEN):
                if by == NONE or causes.kind[by] in POLLED or is_task(causes.subject[by]):
                    break
                by = causes.base[by]
            if by == NONE:
                continue
            if causes.kind[by] in POLLED:
                self.of_event.setdefault(by, []).append(who)
                self.tasks.add(who)
            elif causes.subject[by] in self.tasks:
                self.tasks.add(who)
        self._find_accepted(causes)

    def _find_accepted(self, causes: Causes) -> None:
        asking = {causes.subject[index] for index in self.of_event}
        accepting: dict[int, deque[int]] = {}  # by turn: once for each connection
        for index, by in enumerate(causes.base):
            if causes.kind[index] == Kind.CALLBACK and by != NONE and causes.kind[by] in POLLED:
                if causes.subject[by] not in asking:
                    accepting.setdefault(causes.turn[index], deque()).append(by)
            elif index in self.of_event and (closing := causes.closing[index]) != NONE:
                for turn in (causes.turn[closing], causes.turn[index]):
                    if connections := accepting.get(turn):
                        self.accepted[index] = connections.popleft()
                        break
        for index, by in self.accepted.items():
            self.of_event.setdefault(by, []).extend(self.of_event[index])


def place(
    requests: Sequence[Request],
    born: Born,
    causes: Causes,
    of_subject: Mapping[int, Sequence[int]],
    come: Come,
) -> None:
    """Set the causes and times of requests of one kind, in the order in which they came."""
    last_steps = [
        of_subject[task][-1] for one in requests for task in born.of_event.get(one.step, ())
    ]
    last_steps.sort(key=causes.end)
    ends = [causes.end(step) for step in last_steps]
    sizes = [len(born.of_event.get(one.step, ())) for one in requests]
    clients, is_sure = clients_of(requests, sizes, ends)
    causes.is_sure &= is_sure
    if not is_sure and come == "late":
        clients = 0
    elif not is_sure and come == "early":
        clients = max(1, clients)
    if clients:
        # One of them may always be between an answer and its next question.
        first = clients + (come == "early")
        _place_closed(requests, sizes, first, last_steps, causes, come)
    else:
        _place_open(requests, sizes, causes)
    for one in requests:
        if (by := born.accepted.get(one.step)) is not None:
            causes.set_base(one.step, by, max(causes.ready[one.step], causes.end(by)))


def clients_of(
    requests: Sequence[Request], sizes: Sequence[int], ends: Sequence[float]
) -> tuple[int, bool]:
    """Return how many clients ask again when they are answered, and whether that is sure.

    None do, under an open load.

    Args:
        requests: in the order in which they came.
        sizes: how many tasks each had begin.
        ends: when these tasks ended, in order.

    >>> came = [Request(n, n, n, n, True) for n in range(9)]
    >>> clients_of(came, [2] + [1] * 8, [n - 0.1 for n in range(1, 9)])
    (2, True)
    >>> sizes = [1, 4, 1, 1, 5, 1, 1, 4, 1]
    >>> clients_of(came, sizes, [n + 0.5 for n in range(9) for _ in range(sizes[n])])
    (0, False)
    """
    after: dict[int, int] = {}  # by turn
    came = 0
    for one, size in zip(requests, sizes, strict=True):
        came += size
        after[one.turn] = came - bisect_right(ends, one.latest)
    under_way = list(after.values())
    usual = sorted(under_way)[len(under_way) * 3 // 4] if under_way else 0
    # The clients come one after the other at first, and go at the end.
    full = [place for place, number in enumerate(under_way) if number >= FULL * usual]
    first = next((place for place in full if under_way[place] >= usual), 0)
    steady = under_way[first : full[-1] + 1] if full else []
    if usual == 0 or len(steady) < max(FEW, len(under_way) // 4):
        return 0, len(requests) < FEW
    if usual > 1:
        low, high = LIKE[0] * usual, LIKE[1] * usual
        like = mean(low <= number <= high for number in steady)
        is_sure = not SURE[0] < like < SURE[1]
        # Now and then one is between its answer and its next question.
        clients = sorted(steady)[-1 - len(steady) // 5]
        return clients if like >= FULL else 0, is_sure and len(steady) >= 2 * FEW
    moments = [one.latest for one in requests]
    pauses = [at - ends[bisect_right(ends, at) - 1] for at in moments if bisect_right(ends, at)]
    intervals = [later - at for at, later in pairwise(moments)]
    if not (pauses and intervals):
        return 0, True
    spreads = pstdev(pauses), pstdev(intervals)
    return int(spreads[0] < spreads[1]), max(spreads) > FAR * min(spreads)


def _place_closed(
    requests: Sequence[Request],
    sizes: Sequence[int],
    first: int,
    last_steps: Iterable[int],
    causes: Causes,
    come: Come,
) -> None:
    ended = deque(last_steps)
    took_all = _took_all(requests)
    anchors: dict[int, tuple[int, float, float]] = {}
    known = []
    for one, size, number in zip(requests, sizes, accumulate(sizes), strict=True):
        answered: list[int] = []
        if number <= first:
            continue  # what each client asks first
        while ended and len(answered) < size and causes.end(ended[0]) <= one.latest:
            answered.append(ended.popleft())
        if not answered:
            continue
        # One step takes what several clients ask, that were answered one after the other.
        after = answered[{"early": 0, "": len(answered) // 2, "late": -1}[come]]
        end = causes.end(after)
        low, high = max(0.0, one.earliest - end) if took_all else 0.0, one.latest - end
        anchors[one.step] = after, low, high
        known.append((high / SPREAD, high * SPREAD) if one.is_exact else (low, high))
    usual = likeliest(known)
    # Most clients that ask again do so at once.
    soon = usual.low + (usual.high - usual.low) * SOON
    usual = usual._replace(middle=soon)
    for one in requests:
        if one.step in anchors:
            step, low, high = anchors[one.step]
            causes.base[one.step], causes.from_end[one.step] = step, True
            set_offset(one.step, usual, low, high, causes)
        else:
            _place_at(one.step, one.latest, causes)


def _place_open(requests: Sequence[Request], sizes: Sequence[int], causes: Causes) -> None:
    # A loop that is busy takes them later than they came: at least as many as it took had come.
    begin = requests[0].latest
    came = list(accumulate(sizes))
    rate = max(
        (
            (number - 1) / (one.latest - begin)
            for one, number in zip(requests, came, strict=True)
            if one.latest > begin and number * 4 >= came[-1]
        ),
        default=0.0,
    )
    took_all = _took_all(requests)
    for one, number in zip(requests, came, strict=True):
        at = one.latest
        if not one.is_exact and rate:
            earliest = one.earliest if took_all else begin
            at = min(at, max(earliest, begin + (number - 1) / rate))
        _place_at(one.step, at, causes)
        if not one.is_exact:
            causes.bounds[one.step] = min(at, one.earliest), one.latest


def _took_all(requests: Sequence[Request]) -> bool:
    """Whether a loop takes all that has come each time that it looks.

    Of one that never waits, nobody knows.
    """
    return any(one.is_exact for one in requests[len(requests) // 2 :])


def _place_at(index: int, at: float, causes: Causes) -> None:
    causes.base[index], causes.from_end[index] = NONE, False
    causes.offset[index] = at


class Usual(NamedTuple):
    """How long like events take, and between which bounds that is."""

    low: float
    middle: float
    high: float


def likeliest(bounds: list[tuple[float, float]]) -> Usual:
    """Return the values that lie within the most bounds.

    >>> likeliest([(0.0, 0.4), (0.0, 0.25), (0.125, 0.9)])
    Usual(low=0.125, middle=0.1875, high=0.25)
    """
    edges = sorted([(low, -1) for low, _ in bounds] + [(high, 1) for _, high in bounds])
    inside = most = 0
    best = 0.0, 0.0
    for place, (at, edge) in enumerate(edges):
        inside -= edge
        if inside > most:
            most = inside
            best = at, edges[place + 1][0]
    return Usual(best[0], sum(best) / 2, best[1])


def set_offset(index: int, usual: Usual, low: float, high: float, causes: Causes) -> None:
    """Let a step be ready as long after its base as like events take, within its own bounds."""
    causes.offset[index] = min(max(usual.middle, low), high)
    bounds = min(max(usual.low, low), high), min(max(usual.high, low), high)
    if bounds[0] < bounds[1]:
        causes.bounds[index] = bounds
