"""Runs the corpus' program beside a busy process, and judges what was recorded of it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from fournil.observe.recording.live import snapshot
from fournil.observe.recording.model import BlockedStep
from fournil.observe.recording.reading import read_file
from tests.corpus.blocker import Blocker
from tests.corpus.blockers import BLOCKERS
from tests.corpus.ways import WAYS

ROOT = Path(__file__).parents[2]
SECONDS = 0.3
TIMEOUT = 300
CROWD = "crowd"

OTHER_WAYS = tuple(way for way in WAYS if way != "task")


class Case(NamedTuple):
    """One or more blockers, and where they block from."""

    way: str
    blockers: tuple[Blocker, ...]

    def __str__(self) -> str:
        return f"{self.way}:{'+'.join(blocker.name for blocker in self.blockers)}"

    @property
    def loops(self) -> int:
        return len(self.blockers) if self.way == CROWD else WAYS[self.way].loops


class Outcome(NamedTuple):
    """What the recording says of one blocker of a case."""

    blocker: Blocker
    case: Case
    seen: BlockedStep | None

    @property
    def right_class(self) -> bool:
        kinds = self.blocker.kind, self.blocker.also
        return self.seen is not None and self.seen.blocker in kinds

    @property
    def right_line(self) -> bool:
        place = self.blocker.file, self.blocker.line
        return self.seen is not None and self.seen.culprit[:2] == place

    @property
    def right(self) -> bool:
        return self.right_class and self.right_line

    def __str__(self) -> str:
        blocker = self.blocker
        expected = f"{self.case.way}:{blocker.name} is {blocker.kind} at {blocker.line}"
        if self.seen is None:
            return f"{expected}, and no step was seen to block"
        step = self.seen
        return (
            f"{expected}, seen as {step.blocker} at {Path(step.culprit.file).name}:"
            f"{step.culprit.line} for {step.duration_s:.3f} s"
        )


def cases_of(blocker: Blocker) -> list[Case]:
    """Return the ways that a blocker is run."""
    ways = ("task", *OTHER_WAYS) if blocker.everywhere else ("task",)
    return [Case(way, (blocker,)) for way in ways]


@contextmanager
def busy_core() -> Iterator[None]:
    """Keep one core busy with another process."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        try:
            yield
        finally:
            process.kill()


def run(
    cases: Sequence[Case], *, seconds: float = SECONDS, keep: Path | None = None
) -> list[Outcome]:
    """Run the cases one after the other in one program; return what was seen of each."""
    if not cases:
        return []
    with tempfile.TemporaryDirectory() as folder:
        recording = keep or Path(folder) / "recording"
        command = [sys.executable, "-m", "tests.corpus.program", str(recording), str(seconds)]
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        subprocess.run(
            [*command, *map(str, cases)],
            env={**os.environ, "PYTHONPATH": path},
            check=True,
            timeout=TIMEOUT,
        )
        return judge(cases, str(recording))


def judge(cases: Sequence[Case], path: str) -> list[Outcome]:
    recording = snapshot(read_file(path))
    by_loop: dict[int, list[BlockedStep]] = {}
    for step in recording.blocked:
        by_loop.setdefault(recording.threads[step.thread].number, []).append(step)
    outcomes = []
    first = 1
    for case in cases:
        last = first + case.loops - 1
        # While C code in the last loop keeps the GIL, an outer one may wait for it.
        loops = range(first if case.way == CROWD else last, last + 1)
        first += case.loops
        seen = [step for loop in loops for step in by_loop.get(loop, [])]
        seen.sort(key=lambda step: -step.duration_s)
        for blocker in case.blockers:
            best = seen[0] if seen else None
            if case.way == CROWD:
                place = blocker.file, blocker.line
                best = next((step for step in seen if step.culprit[:2] == place), None)
            outcomes.append(Outcome(blocker, case, best))
    return outcomes


def crowds() -> list[Case]:
    """Return loops that block at once, each with one blocker of every class."""
    by_class: dict[str, list[Blocker]] = {}
    for blocker in BLOCKERS.values():
        if blocker.everywhere:
            by_class.setdefault(blocker.kind, []).append(blocker)
    return [Case(CROWD, group) for group in zip(*by_class.values(), strict=True)]
