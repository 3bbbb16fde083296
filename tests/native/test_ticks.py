"""Ticks are of one clock in all native modules: each chooses it for itself when it is loaded."""

from __future__ import annotations

import asyncio
from pathlib import Path

import fournil
from fournil.observe.recording.live import load

NATIVE = Path(__file__).parents[2] / "src" / "fournil" / "_native"


def test_each_module_that_reads_them_chooses_the_clock() -> None:
    sources = {path.name: path.read_text() for path in NATIVE.glob("*.pyx")}
    reading = {name for name, text in sources.items() if "ticks_now()" in text}
    assert "ring.pyx" in reading
    assert reading - {name for name in reading if "ticks_choose()" in sources[name]} == set()


def test_a_recording_s_end_is_after_its_begin(tmp_path: Path) -> None:
    with fournil.Recorder(tmp_path / "x"):
        fournil.run(asyncio.sleep(0.01))
    recording = load(str(tmp_path / "x"))
    (loop,) = recording.loops
    assert recording.run_s >= loop.ran_s > 0.005
