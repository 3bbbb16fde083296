"""Servers that are asked from outside: when requests come once the server is faster."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from heapq import heappop, heappush
from typing import NamedTuple

import pytest

from fournil.observe.replay.steps import Columns, Come, Step
from fournil.observe.replay.whatif import Move, Replay
from fournil.record.kinds import SITE_BIT, Kind

ACCEPT, MADE, READ, MAIN, FIRST = SITE_BIT | 1, SITE_BIT | 2, SITE_BIT | 3, 1, 2
STEP_S = 1e-5
AWAIT = Move("await", uses_cpu=False)


class Served(NamedTuple):
    """A recorded run of a server."""

    steps: list[Step]
    code_of: dict[int, int]
    blocked: list[int]  # the places of its blocked steps
    run_s: float

    def replay(self, come: Come = "") -> Replay:
        columns = Columns.of(self.steps)
        return Replay(columns, cores=2, run_s=self.run_s, code_of=self.code_of, come=come)

    def mended_s(self, come: Come = "") -> float:
        moved = dict.fromkeys(self.blocked, AWAIT)
        return self.replay(come).outcome(moved, come=come).run_s


def serve(
    arrivals: Sequence[float],
    takes: float,
    *,
    again: int = 0,
    think: float = 0.0,
    connects: bool = False,
) -> Served:
    """Return a run of a server that is blocked for a time by each request, one after the other.

    Args:
        arrivals: when requests come.
        takes: how long each blocks the loop.
        again: how often each of these clients asks again when it is answered.
        think: after this time.
        connects: it comes with a connection of its own, that is accepted first.
    """
    come: list[tuple[float, int]] = []
    for at in arrivals:
        heappush(come, (at, again))
    left = len(arrivals) * (1 + again)
    steps = [Step(0.0, STEP_S, 0.0, MAIN, 0, Kind.TASK, 0)]
    blocked: list[int] = []
    now, task = STEP_S, FIRST
    answered: deque[int] = deque()
    while left:
        now = max(now, come[0][0])  # the poll returns
        polled = now
        taken = []
        while come and come[0][0] <= polled:
            taken.append(heappop(come)[1])
        if connects:
            steps.append(Step(now, STEP_S, 0.0, ACCEPT, 0, Kind.READER, 0))
            accepted = now + STEP_S
            now = accepted
            for _ in taken:
                steps.append(Step(now, STEP_S, now - accepted, MADE, ACCEPT, Kind.CALLBACK, 0))
                now += STEP_S
            polled = now
        for _ in taken:
            steps.append(Step(now, STEP_S, now - polled, READ, 0, Kind.READER, 0))
            now += STEP_S
        for number, rest in enumerate(taken):
            born = polled + (number + 0.5) * STEP_S
            blocked.append(len(steps))
            steps.append(Step(now, takes, now - born, task, READ, Kind.TASK, 0))
            now += takes
            task += 1
            left -= 1
            if rest:
                heappush(come, (now + think, rest - 1))
        answered.append(task - 1)
    steps.append(Step(now, STEP_S, 0.0, MAIN, answered[-1], Kind.TASK, 0))
    run_s = now + STEP_S
    code_of = {MAIN: 1} | dict.fromkeys(range(FIRST, task), 2)
    return Served(steps, code_of, blocked, run_s)


@pytest.mark.parametrize("connects", [False, True], ids=["requests", "connections"])
class TestOpen:
    def test_at_a_rate_that_it_bears(self, connects: bool) -> None:
        arrivals = [0.1 + 0.05 * number for number in range(20)]
        served = serve(arrivals, 0.03, connects=connects)
        assert served.mended_s() == pytest.approx(arrivals[-1] + 0.03, rel=0.02)

    def test_at_a_rate_that_it_does_not_bear(self, connects: bool) -> None:
        arrivals = [0.1 + 0.025 * number for number in range(40)]
        served = serve(arrivals, 0.05, connects=connects)
        truth = arrivals[-1] + 0.05
        assert served.run_s > 1.7 * truth
        assert served.mended_s() == pytest.approx(truth, rel=0.25)
        assert served.mended_s("early") <= served.mended_s() <= served.mended_s("late")

    def test_in_bursts(self, connects: bool) -> None:
        arrivals = [0.1 + 0.4 * (number // 5) + 0.02 * (number % 5) for number in range(25)]
        served = serve(arrivals, 0.04, connects=connects)
        assert served.mended_s() == pytest.approx(arrivals[-1] + 0.04, rel=0.1)

    def test_as_it_was_with_nothing_moved(self, connects: bool) -> None:
        served = serve([0.1 + 0.03 * number for number in range(20)], 0.04, connects=connects)
        assert served.replay().run_time({}) == pytest.approx(served.run_s, rel=0.01)


@pytest.mark.parametrize("connects", [False, True], ids=["requests", "connections"])
class TestClosed:
    @pytest.mark.parametrize("clients", [3, 8])
    def test_clients_that_ask_again_at_once(self, connects: bool, clients: int) -> None:
        arrivals = [0.1 + 0.0001 * number for number in range(clients)]
        served = serve(arrivals, 0.03, again=7, think=0.0002, connects=connects)
        assert served.run_s > 0.03 * 8 * clients
        truth = 0.1 + 8 * 0.03
        assert served.mended_s() == pytest.approx(truth, rel=0.5)
        assert served.mended_s("early") == pytest.approx(truth, rel=0.2)
        assert served.mended_s("early") <= served.mended_s() <= served.mended_s("late")

    def test_one_client(self, connects: bool) -> None:
        served = serve([0.1], 0.03, again=9, think=0.01, connects=connects)
        assert served.mended_s() == pytest.approx(served.run_s, rel=0.02)

    def test_as_it_was_with_nothing_moved(self, connects: bool) -> None:
        served = serve([0.1, 0.11, 0.12], 0.03, again=7, think=0.001, connects=connects)
        assert served.replay().run_time({}) == pytest.approx(served.run_s, rel=0.02)


def test_few_requests_may_have_come_at_any_time() -> None:
    served = serve([0.1, 0.2], 0.3)
    assert served.mended_s("early") < 0.5 < served.mended_s() + 0.01
    assert served.mended_s("late") == pytest.approx(0.7, rel=0.05)
