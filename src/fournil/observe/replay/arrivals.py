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
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fournil.observe.replay import requests
from fournil.observe.replay.requests import SPREAD, likeliest
from fournil.observe.replay.steps import NONE, Causes, Come, is_task
from fournil.record.kinds import SITE_BIT

AT_ONCE_S = 2e-4
"""A poll that returned within this time did not wait."""

POLL_EVERY_S = 1e-4
"""A loop with steps to run may leave out polls for this long."""

SAMPLE = 100
"""So many events, and steps before each, are enough to see which code sends."""

FEW = 2
"""So many events do not tell whether others like them come from outside."""

EXCEPTIONS = 0.1
"""The share of events that may be unlike the others: the system delays some."""


class _Like:
    """Events that are judged together."""

    def __init__(self) -> None:
        self.during_turns: list[int] = []
        self.waited_for: list[int] = []  # these came while the loop waited
        self.known: list[tuple[float, float]] = []  # bounds of how long these took
        self.from_outside = 0  # how many surely did

    def is_internal(self) -> bool:
        count = len(self.during_turns) + len(self.waited_for)
        return count > FEW and self.from_outside <= EXCEPTIONS * count


class _Turn(NamedTuple):
    """A turn's steps that have not sent anything, by their code."""

    number: int
    opened: float
    of_code: dict[int, deque[int]]


class Arrivals:
    """Gathers the steps that polls made ready, then sets when their events came."""

    def __init__(
        self,
        causes: Causes,
        code_of: Mapping[int, int],
        of_subject: Mapping[int, Sequence[int]],
        come: Come,
    ) -> None:
        self.come = come
        self.causes = causes
        self.code_of = code_of
        self.of_subject = of_subject
        self.born = requests.Born(causes, of_subject)
        self.like: dict[tuple[int, int], _Like] = {}
        self.woken: dict[int, int] = {}  # by step that came during a turn
        # Steps, by turn, of tasks that may ask: what a request had begin sends answers.
        self.askers = Counter(
            turn
            for turn, who in zip(causes.turn, causes.subject, strict=True)
            if is_task(who) and who not in self.born.tasks
        )

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
            like.waited_for.append(index)
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
        likes = [like for like in self.like.values() if like.during_turns or self._asks(like)]
        if not likes:
            return
        ranks: dict[int, dict[int, int]] = {}
        for like in likes:
            if self._asks(like):
                self._place_requests(like)
            elif like.is_internal():
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

    def _asks(self, like: _Like) -> bool:
        """Whether these events are requests from outside.

        They had tasks begin, and in the turns before them hardly any ran that can have asked.
        """
        causes, of_event = self.causes, self.born.of_event
        came = [*like.during_turns, *like.waited_for]
        if 2 * sum(index in of_event for index in came) < len(came):
            return False
        in_turn = Counter(causes.turn[causes.closing[index]] for index in like.during_turns)
        asked = sum(min(count, self.askers[turn]) for turn, count in in_turn.items())
        return 2 * asked <= len(like.during_turns)

    def _place_requests(self, like: _Like) -> None:
        causes = self.causes
        found = []
        for index in sorted([*like.during_turns, *like.waited_for]):
            latest = causes.ready[index]
            is_exact = index not in self.woken
            earliest = latest if is_exact else min(latest, self._window_begin(index))
            turn = causes.turn[index]
            found.append(requests.Request(index, turn, earliest, latest, is_exact))
        requests.place(found, self.born, causes, self.of_subject, self.come)

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
            requests.set_offset(index, usual, low, high, causes)

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
