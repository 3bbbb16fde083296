"""How many times its load a loop bears."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import fournil.recording
from fournil.evidence.classify import Blocker
from fournil.observe.advice.advisor import Advisor
from fournil.observe.advice.headroom import Headroom, Load, headroom, load_of
from fournil.observe.recording import blocked
from fournil.observe.recording.live import snapshot
from fournil.observe.recording.model import BlockedGroup, Pool, Recording
from fournil.observe.recording.reading import read_buffer
from fournil.observe.replay.whatif import Move
from fournil.record.kinds import Kind
from tests.observe.builder import APP, OFF, Builder, site_subject

TEXT = """\
import asyncio, time
async def handle(reader, writer):
    await reader.readline()
    time.sleep(0.03)
"""


def builder(begins: Sequence[float], *, serves: bool = True, takes: float = 0.03) -> Builder:
    """Return a recording of a loop that is asked at some moments, from outside or by itself."""
    made = Builder(events=1024, samples=512).end(begins[-1] + takes)
    span = begins[-1] + takes - begins[0]
    busy = takes * len(begins)
    made.loop(ran=span, idle=span - busy, busy=busy, turns=[takes] * len(begins))
    accept = site_subject(made.site("factory", APP, 1))
    handle = made.site("handle", APP, 2)
    for number, begin in enumerate(begins):
        task = made.task(handle)
        made.event(Kind.READER if serves else Kind.TIMER, begin, 1e-5, subject=accept)
        slot = {"extra": handle, "waker": accept}
        made.event(Kind.BORN, begin, subject=task, **slot)
        at = begin + 1e-5
        made.event(Kind.TASK, at, takes, subject=task, waker=accept)
        made.blocked(at, at + takes, task)
        made.look(at, at + takes * 0.9, at, OFF, [(APP, 4, "handle")], ask=number + 1)
        made.answer(number + 1, 0.0)
    return made


def recording(begins: Sequence[float], *, serves: bool = True, takes: float = 0.03) -> Recording:
    found = snapshot(read_buffer(builder(begins, serves=serves, takes=takes).build()))
    return replace(found, threshold_s=0.02)


def found_in(recording: Recording) -> Headroom | None:
    advisor = Advisor(recording, lambda file: TEXT if file == APP else "")
    groups = blocked.group(recording.blocked)
    return advisor.headroom([(one, said) for one in groups if (said := advisor.advise(one))])


def test_of_a_server_that_blocks() -> None:
    found = found_in(recording([0.1 * number for number in range(40)]))
    assert found
    assert found.now == pytest.approx(0.1 / 0.03, rel=0.05)
    assert found.limit == "loop"
    assert found.with_advice is not None
    assert found.with_advice > 100  # nothing but an `await` is left of it
    assert found.assumes == ()


def test_of_a_server_that_is_full() -> None:
    found = found_in(recording([0.03 * number for number in range(40)], takes=0.03))
    assert found
    assert found.now == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(
    ("begins", "serves"),
    [
        ([0.1 * number for number in range(40)], False),
        ([0.1 * number for number in range(8)], True),
        ([0.04 * number + (8.0 if number > 30 else 0.0) for number in range(40)], True),
    ],
    ids=["nothing comes", "little came", "now much and now little"],
)
def test_not_where_nobody_knows(begins: list[float], serves: bool) -> None:
    found = recording(begins, serves=serves)
    assert load_of(found, 1000) is None
    assert found_in(found) is None


class TestLimits:
    LOAD = Load(0.0, 10.0, 5.0, 0)

    def of(self, move: Move, *, others: float = 0.0, assumes: tuple[str, ...] = ()) -> Headroom:
        found = recording([0.1 * number for number in range(40)], takes=0.09)
        (group,) = blocked.group(found.blocked)
        assert group.blocker is Blocker.WAITING
        assert group.total_s == pytest.approx(3.6, rel=0.01)
        moved: list[tuple[BlockedGroup, Move]] = [(group, move)]
        return headroom(self.LOAD, [], moved, cores=2, others=others, assumes=assumes)

    def test_the_loop(self) -> None:
        found = self.of(Move("await", uses_cpu=False))
        assert found.with_advice == pytest.approx(10.0 / 1.4, rel=0.02)
        assert found.limit_with_advice == "loop"

    def test_cores(self) -> None:
        # All that is computed takes the cores, wherever it is.
        found = self.of(Move("process", uses_cpu=True))
        assert found.with_advice == pytest.approx(2 * 10.0 / 5.0, rel=0.02)
        assert found.limit_with_advice == "cores"
        assert self.of(Move("process", uses_cpu=True), others=1.0).with_advice == pytest.approx(
            10.0 / 5.0, rel=0.02
        )

    def test_a_lock(self) -> None:
        found = self.of(Move("await", uses_cpu=False, turns="a lock"))
        assert found.with_advice == pytest.approx(10.0 / 3.6, rel=0.02)
        assert found.limit_with_advice == "a lock"

    def test_workers_of_a_pool(self) -> None:
        nothing: list[Any] = [0] * 17
        pool = replace(Pool(1, "ProcessPool", "", 2, *nothing), inside_s=16.0, ran=10)
        found = headroom(self.LOAD, [pool], None, cores=2, others=0.0)
        assert found.now == pytest.approx(1.25)
        assert found.limit == "workers"
        assert found.with_advice is None


def test_of_the_public_recording(tmp_path: Path) -> None:
    path = tmp_path / "server.fournil"
    path.write_bytes(builder([0.1 * number for number in range(40)]).build())
    found = fournil.recording.load(str(path)).headroom
    assert found
    assert found.now == pytest.approx(0.1 / 0.03, rel=0.05)
