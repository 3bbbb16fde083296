"""Estimates that count what a move costs: its way, its start, cores that others want."""

from __future__ import annotations

import pytest

from fournil.observe.replay.steps import Columns
from fournil.observe.replay.whatif import Move, Replay, Rivals, Step
from fournil.record.kinds import SITE_BIT, Kind

SITE = SITE_BIT | 9


def three_at_once() -> Replay:
    """Three tasks of one loop that take 0.3 s each, one after the other, and a last step."""
    steps = [Step(0.0, 0.001, 0.0, 9, 0, Kind.TASK, 0)]
    steps += [Step(0.001 + 0.3 * n, 0.3, 0.3 * n, n + 1, 9, Kind.TASK, 0) for n in range(3)]
    steps.append(Step(0.901, 0.001, 0.0, 9, 3, Kind.TASK, 0))
    return Replay(Columns.of(steps), cores=2, run_s=0.902)


class TestCosts:
    """What a move costs besides: told to the replay."""

    def run_of(self, move: Move, rivals: Rivals = Rivals()) -> float:  # noqa: B008
        return three_at_once().run_time(dict.fromkeys((1, 2, 3), move), rivals)

    def test_what_takes_turns_takes_as_long_as_before(self) -> None:
        beside = Move("thread", uses_cpu=False)
        assert self.run_of(beside) == pytest.approx(0.3, abs=0.01)
        assert self.run_of(beside._replace(turns="a server")) == pytest.approx(0.9, abs=0.01)

    def test_a_pool_starts_once(self) -> None:
        move = Move("process", uses_cpu=True, start_s=0.2)
        assert self.run_of(move) == pytest.approx(0.8, abs=0.01)  # two rounds on two cores

    def test_sending_keeps_the_loop_busy_and_makes_calls_longer(self) -> None:
        move = Move("process", uses_cpu=False, send_s=0.1, extra_s=0.05)
        replay = three_at_once()
        outcome = replay.outcome(dict.fromkeys((1, 2, 3), move))
        assert outcome.busy_s == pytest.approx(0.3, abs=0.01)
        assert outcome.run_s > self.run_of(Move("process", uses_cpu=False)) + 0.15

    def test_what_uses_all_cores_gains_nothing_by_another(self) -> None:
        move = Move("thread", uses_cpu=True)
        assert self.run_of(move) == pytest.approx(0.6, abs=0.01)
        assert self.run_of(move._replace(all_cores=True)) == pytest.approx(0.9, abs=0.01)

    def test_cores_that_others_want_are_shared(self) -> None:
        # Beside two others, a step had two thirds of a core; two of it have half of one each.
        move = Move("process", uses_cpu=True)
        found = self.run_of(move, Rivals(2.0, 2 / 3))
        assert self.run_of(move) < found
        assert found == pytest.approx(0.3 * (4 / 3 + 1), abs=0.02)
