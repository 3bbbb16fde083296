"""Threads that had the GIL while a loop waited for it between two steps: pure."""

from __future__ import annotations

from typing import NamedTuple

from fournil.evidence.classify import Blocker
from fournil.observe.recording import blocked
from fournil.observe.recording.model import BlockedGroup, Recording

ADVICE = {
    Blocker.PYTHON: "Threads that run Python code take turns with the loop: move their work to "
    "processes, as `concurrent.futures.ProcessPoolExecutor` does.",
    Blocker.NATIVE_GIL: "This call keeps the GIL until it returns, so that no other thread runs "
    "meanwhile: move it to a process, as `concurrent.futures.ProcessPoolExecutor` does, or have it "
    "do less at a time.",
    Blocker.GC: "`gc.freeze()` after start-up leaves what lives on out of the collections, and a "
    "higher `gc.set_threshold(...)` has them run less often.",
    Blocker.STARVED: "The thread that had the GIL had no CPU: the machine was busy, or a quota was "
    "used up.",
}


class GilWait(NamedTuple):
    """Waits for the GIL between two steps, by the line that kept it."""

    group: BlockedGroup
    thread: str  # its name; nothing: not known
    advice: str | None


def find_gil_waits(recording: Recording) -> list[GilWait]:
    """Return who kept the GIL from loops between their steps, the greatest total first."""
    found = []
    for group in blocked.group(recording.gil_waits):
        names = [step.holder.name for step in group.steps if step.holder and step.holder.name]
        advice = ADVICE.get(group.blocker) if group.blocker else None
        found.append(GilWait(group, names[0] if names else "", advice))
    return found
