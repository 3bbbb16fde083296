"""What the demo says of a machine that others use too, and what it makes of it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import Any

import demo
import machine
import pytest
import verdict
from machine import Moment, Use

IDLE = Use(cores=2, idle=1.9, others=0.05, stolen=0.0, throttled=0.0, names=[], own_s=4.0)


def moment(**values: Any) -> Moment:
    nothing: dict[str, Any] = dict.fromkeys(Moment._fields, 0.0) | {"processes": {}}
    return Moment(**nothing | values)


def test_between() -> None:
    ours, web = (os.getpid(), "5"), (1, "5")
    first = moment(processes={ours: ("python", 1.0), web: ("web", 7.0), (2, "5"): ("gone", 9.0)})
    last = moment(
        time=10.0,
        busy=16.0,
        idle=3.0,
        stolen=1.0,
        own=11.0,
        throttled=0.5,
        # 2 has ended, and its number was used again.
        processes={ours: ("python", 12.0), web: ("web", 10.0), (2, "8"): ("cc1", 1.0)},
    )
    use = machine.between(first, last)
    assert use == Use(
        cores=len(os.sched_getaffinity(0)),
        idle=0.3,
        others=0.5,
        stolen=0.1,
        throttled=0.05,
        names=[("web", 0.3), ("cc1", 0.1)],
        own_s=11.0,
    )


@pytest.mark.parametrize(
    ("use", "shared"),
    [
        (IDLE, False),
        (IDLE._replace(others=0.5), False),  # but there was a core left
        (IDLE._replace(idle=0.2, others=0.1), False),
        (IDLE._replace(idle=0.2, others=0.5), True),
        (IDLE._replace(idle=0.2, others=0.0, stolen=0.5), True),
        (IDLE._replace(throttled=0.2), True),
    ],
)
def test_was_shared(use: Use, shared: bool) -> None:
    assert use.was_shared == shared


def test_in_words() -> None:
    use = Use(2, 0.1, 1.25, 0.2, 0.1, [("web", 1.0), ("cc1", 0.2)], 4.0)
    assert str(use) == (
        "other programs kept 1.2 of its 2 cores busy (web 1.0, cc1 0.2); other machines on the"
        " same processor took 0.2 cores; a quota held it up for 10% of the time"
    )
    assert str(IDLE._replace(others=0.0)) == "nothing else kept the machine busy"


def test_what_others_do_is_seen() -> None:
    """What a child did that is waited for is ours; what one does that runs is another's."""
    spin = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\ninput()"
    first = machine.now()
    assert first is not None
    with subprocess.Popen(
        [sys.executable, "-c", spin], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        meanwhile = machine.now()
        assert meanwhile is not None
        other.communicate(b"\n")
    last = machine.now()
    assert last is not None
    (used,) = [
        used - first.processes.get(process, ("", 0.0))[1]
        for process, (_, used) in meanwhile.processes.items()
        if process[0] == other.pid
    ]
    assert used >= 0.29
    assert last.own - first.own >= 0.29
    assert last.busy - first.busy >= 0.29


def test_a_system_that_does_not_tell(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(machine, "PROC", tmp_path)
    assert machine.now() is None


# What the demo makes of it.


def outcome(
    monkeypatch: pytest.MonkeyPatch, use: Use | None, *, answers: int = 1, run_s: float = 9.0
) -> int:
    """Run the demo with an estimate of 3 s, and runs that were made up."""
    made = verdict.mistakes((demo.HERE / "blocking.py").read_text())
    remedies = verdict.REMEDIES
    blocked = [
        {
            "file": str(demo.HERE / "blocking.py"),
            "line": mistake.line,
            "class": mistake.blocker,
            "longest_s": 0.2,
            "advice": {"to": min(remedies[mistake.blocker])},
        }
        for mistake in made
    ]
    loop = {"busy_s": 1.0, "lag_s": {"p99": 0.1, "max": 0.2}}
    first = {
        "run_s": 12.0,
        "loops": [loop],
        "blocked": blocked,
        "estimate": {"run_s": 3.0, "busy_s": 0.1, "lag_s": {"p99": 0.1, "max": 0.2}},
    }
    second = {"run_s": run_s, "loops": [loop], "blocked": []}

    async def serve_both(*_: object) -> tuple[demo.Run, demo.Run]:
        return demo.Run(first, [[1]], IDLE), demo.Run(second, [[answers]], use)

    monkeypatch.setattr(demo, "serve_both", serve_both)
    return asyncio.run(demo.main())


def test_a_bad_estimate_fails(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert outcome(monkeypatch, IDLE) == 1
    assert "demo: the run time was estimated at 3.00 s" in capfd.readouterr().err


@pytest.mark.parametrize("use", [IDLE._replace(idle=0.0, others=1.0, names=[("web", 1.0)]), None])
def test_a_busy_machine_does_not(
    use: Use | None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert outcome(monkeypatch, use) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert "the machine was not the bakery's alone:\nthe run time was estimated at 3.00 s" in out
    assert out.endswith(
        "while the mended version ran, other programs kept 1.0 of its 2 cores busy (web 1.0)\n"
        if use
        else "while the mended version ran, what it did the system does not tell\n"
    )


@pytest.mark.parametrize("own_s", [2.5, 6.0])
def test_a_machine_of_another_speed_does_not(
    own_s: float, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert outcome(monkeypatch, IDLE._replace(own_s=own_s)) == 0
    told = "the same work took 4.0 s of processor time in the first version, and "
    assert capfd.readouterr().out.endswith(f"{told}{own_s} s in the mended one\n")


def test_a_busy_machine_gives_no_other_answers(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert outcome(monkeypatch, None, answers=2, run_s=3.0) == 1
    assert capfd.readouterr().err == "demo: the two versions gave different answers\n"


def test_all_is_well(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    assert outcome(monkeypatch, None, run_s=3.0) == 0
    assert "blocked nothing.\nThe estimated run time is off by +0%.\n" in capfd.readouterr().out
