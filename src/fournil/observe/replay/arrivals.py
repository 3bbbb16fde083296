"""When, and from whom, an event came that a loop learned of from a poll: pure.

A loop that waits in its poll learns of an event at once. A loop that ran steps meanwhile
learns of it at the next poll: then it may have come at any moment since the poll before,
that is, during the last turn. And it may have been sent from outside, or by a step of the
same program, when that is server and client at once. None of this is on record.

Events are judged together with their like: reported to the same callback, for tasks that
run the same code. What a step of the same loop sends always comes during a turn, and an
answer never in the turn of its question. So where some came while the loop waited, or in the
turn in which their task had asked for them, all come from outside, and take a time that fits
as many of them as possible. Where none did, they come from the steps of the turn: from the
code that ran in the turn before each of them, the first from the first, since the kernel
reports events in the order in which they came. What a step sends, it sends when it ends.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from typing import NamedTuple

from fournil.observe.replay.steps import NONE, Causes
from fournil.record.kinds import SITE_BIT

AT_ONCE_S = 2e-4
"""A poll that returned within this time did not wait."""

POLL_EVERY_S = 1e-4
"""A loop with steps to run may leave out polls for this long."""

SAMPLE = 100
"""So many events, and steps before each, are enough to see which code sends."""

FEW = 2
"""So many events do not tell whether others like them come from outside."""

SPREAD = 1.25
"""By so much the times of like events differ."""

EXCEPTIONS = 0.1
"""The share of events that may be unlike the others: the system delays some."""


class _Like:
    """Events that are judged together."""

    def __init__(self) -> None:
        self.during_turns: list[int] = []
        self.waits = 0  # how many came while the loop waited
        self.known: list[tuple[float, float]] = []  # bounds of how long these took
        self.from_outside = 0  # how many surely did

    def is_internal(self) -> bool:
        count = len(self.during_turns) + self.waits
        return count > FEW and self.from_outside <= EXCEPTIONS * count


def likeliest(bounds: list[tuple[float, float]]) -> float:
    """Return the value that lies within the most bounds; of a range of such, the middle.

    >>> likeliest([(0.0, 0.4), (0.0, 0.2), (0.1, 0.9)])
    0.15000000000000002
    """
    edges = sorted([(low, -1) for low, _ in bounds] + [(high, 1) for _, high in bounds])
    inside = most = 0
    best = 0.0
    for place, (at, edge) in enumerate(edges):
        inside -= edge
        if inside > most:
            most = inside
            best = (at + edges[place + 1][0]) / 2
    return best


class _Turn(NamedTuple):
    """A turn's steps that have not sent anything, by their code."""

    number: int
    opened: float
    of_code: dict[int, deque[int]]


class Arrivals:
    """Gathers the steps that polls made ready, then sets when their events came."""

    def __init__(self, causes: Causes, code_of: Mapping[int, int]) -> None:
        self.causes = causes
        self.code_of = code_of
        self.like: dict[tuple[int, int], _Like] = {}
        self.woken: dict[int, int] = {}  # by step that came during a turn

    def add(self, index: int, woken: int) -> None:
        """Take a step that a poll made ready, with the task that it woke or 0."""
        causes = self.causes
        closing, anchor = causes.closing[index], causes.base[index]
        if closing == NONE:
            return
        key = self.code_of.get(woken, 0) if woken else NONE, causes.subject[index]
        like = self.like.get(key) or self.like.setdefault(key, _Like())
        waited = causes.ready[index] - causes.begin[closing] - causes.duration[closing]
        if waited >= AT_ONCE_S:
            like.from_outside += 1
            like.waits += 1
            if woken and anchor != NONE:
                took = causes.offset[index]
                like.known.append((took / SPREAD, took * SPREAD))
            return
        self.woken[index] = woken
        like.during_turns.append(index)
        # A task that has just begun may wait for a question, and that may come at any time.
        if woken and anchor != NONE and causes.follows[anchor] != NONE:
            like.from_outside += causes.turn[anchor] == causes.turn[closing]

    def place(self) -> None:
        """Set the causes and times of all that was taken."""
        likes = [like for like in self.like.values() if like.during_turns]
        if not likes:
            return
        ranks: dict[int, dict[int, int]] = {}
        for like in likes:
            if like.is_internal():
                ranks |= dict.fromkeys(like.during_turns, self._rank_senders(like))
            else:
                self._place_outside(like)
        if ranks:
            self._place_inside(ranks)

    def _window_begin(self, index: int) -> float:
        """Return when the poll before may have been that did not report a step's event."""
        causes = self.causes
        opening, _ = causes.turns[causes.turn[causes.closing[index]]]
        return causes.begin[opening] - POLL_EVERY_S

    def _place_outside(self, like: _Like) -> None:
        causes = self.causes
        bounds: dict[int, tuple[float, float]] = {}
        for index in like.during_turns:
            anchor, closing = causes.base[index], causes.closing[index]
            if anchor != NONE and causes.from_end[index]:
                asked = causes.end(anchor)
                low = max(0.0, self._window_begin(index) - asked)
                # It had come when the turn ended: the poll after that did not wait.
                bounds[index] = low, max(low, causes.end(closing) - asked)
        usual = likeliest([*bounds.values(), *like.known])
        for index, (low, high) in bounds.items():
            causes.offset[index] = min(max(usual, low), high)

    def _rank_senders(self, like: _Like) -> dict[int, int]:
        """Return the codes that ran before such polls, ranked: the most often, a task's."""
        causes = self.causes
        count: Counter[int] = Counter()
        for index in like.during_turns[:SAMPLE]:
            begin, closing = self._window_begin(index), causes.closing[index]
            codes = set()
            for by in range(closing, max(NONE, closing - SAMPLE), -1):
                if causes.begin[by] < begin:
                    break
                if causes.thread[by] == causes.thread[index]:
                    who = causes.subject[by]
                    codes.add(who if who & SITE_BIT else self.code_of.get(who, 0))
            count.update(codes)
        best_first = sorted(count, key=lambda code: (-count[code], code & SITE_BIT))
        return {code: place for place, code in enumerate(best_first)}

    def _place_inside(self, ranks: Mapping[int, Mapping[int, int]]) -> None:
        """Find who sent each event; `ranks` has the rank of each code, by step."""
        causes = self.causes
        turns: dict[int, deque[_Turn]] = {where: deque() for where in set(causes.thread)}
        numbers: dict[int, int] = {}  # by thread: its latest turn
        last: dict[int, int] = {}  # by subject: its last step
        peer: dict[int, int] = {}  # by task: with whom it was connected last
        sent: set[int] = set()
        codes = [who if who & SITE_BIT else self.code_of.get(who, 0) for who in causes.subject]
        for index, (who, where, turn, code) in enumerate(
            zip(causes.subject, causes.thread, causes.turn, codes, strict=True)
        ):
            if index in ranks:
                woken, closing = self.woken[index], causes.closing[index]
                begin = self._window_begin(index)
                sender = last.get(peer.get(woken, NONE), NONE)
                fits = NONE < sender <= closing and causes.begin[sender] >= begin
                if not fits or sender in sent:
                    while turns[where][0].opened < begin:
                        turns[where].popleft()
                    sender = self._first_unsent(turns[where], index, ranks[index], sent)
                sent.add(sender)
                if causes.subject[sender] != woken:
                    causes.set_base(index, sender, causes.end(sender))
                    if woken:
                        peer[woken] = causes.subject[sender]
                        peer[causes.subject[sender]] = woken
            last[who] = index
            if numbers.get(where) != turn:
                numbers[where] = turn
                turns[where].append(_Turn(turn, causes.begin[index], {}))
            of_code = turns[where][-1].of_code
            if code in of_code:
                of_code[code].append(index)
            else:
                of_code[code] = deque((index,))

    def _first_unsent(
        self, turns: deque[_Turn], index: int, rank: Mapping[int, int], sent: set[int]
    ) -> int:
        """Return the first step of the best code, of the latest turn, that has not sent."""
        causes, woken = self.causes, self.woken[index]
        best, found = len(rank), causes.closing[index]
        for turn in reversed(turns):
            if turn.number == causes.turn[index]:
                continue
            for code, steps in turn.of_code.items():
                while steps and steps[0] in sent:
                    steps.popleft()
                place = rank.get(code, len(rank))
                if steps and place < best and causes.subject[steps[0]] != woken:
                    best, found = place, steps[0]
            if best == 0:
                break
        return found
