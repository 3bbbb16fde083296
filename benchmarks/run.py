"""Making the measurements of a plan, and keeping what came of them."""

from __future__ import annotations

import contextlib
import resource
import sys
from collections.abc import Iterator, Mapping, Sequence

from benchmarks import inside, instructions, service
from benchmarks.backing import BACKINGS
from benchmarks.case import AnyCase, Client, Service
from benchmarks.errors import NoMeasurement, UnableError
from benchmarks.figures import INSTRUCTIONS, Measurement
from benchmarks.loops import LOOPS, Loop
from benchmarks.plan import Settings, Step, plan


class Run:
    """What was measured so far, and what was not, and why."""

    def __init__(self, contenders: Mapping[str, Sequence[str]]) -> None:
        self.measured: dict[str, dict[str, dict[int, Measurement]]] = {
            case: {loop: {} for loop in loops} for case, loops in contenders.items()
        }
        self.unable: dict[str, dict[str, str]] = {}
        self.failed: dict[tuple[str, str], list[NoMeasurement]] = {}

    def take(self, step: Step, case: AnyCase, settings: Settings) -> None:
        """Make one measurement; none if the loop has said that it cannot."""
        if step.loop in self.unable.get(step.case, {}):
            return
        try:
            taken = measure(case, LOOPS[step.loop], settings)
        except UnableError as error:
            self.unable.setdefault(step.case, {})[step.loop] = str(error)
        except NoMeasurement as error:
            self.failed.setdefault((step.case, step.loop), []).append(error)
        else:
            self.measured[step.case][step.loop][step.round] = taken

    def failures(self, rounds: int) -> list[str]:
        return [
            f"{case} on {loop}, {len(errors)} of {rounds} rounds: {errors[0]}"
            for (case, loop), errors in self.failed.items()
        ]

    def absent(self, rounds: int) -> dict[str, dict[str, str]]:
        """Return, by case and loop, why there is no figure in any round."""
        absent: dict[str, dict[str, str]] = {}
        for case, loops in self.unable.items():
            absent[case] = {loop: f"cannot: {why}" for loop, why in loops.items()}
        for (case, loop), errors in self.failed.items():
            if len(errors) == rounds:
                absent.setdefault(case, {})[loop] = "failed"
        return absent


def measure_all(
    cases: Mapping[str, AnyCase],
    contenders: Mapping[str, Sequence[str]],
    rounds: int,
    seed: int,
    settings: Settings,
) -> Run:
    run = Run(contenders)
    total = rounds * sum(map(len, contenders.values()))
    allow_open_files()
    with backings_of(cases, settings), until_interrupted():
        for number, step in enumerate(plan(contenders, rounds, seed), 1):
            show_progress(f"{number}/{total}  {step.case} on {step.loop}")
            run.take(step, cases[step.case], settings)
    show_progress("")
    return run


@contextlib.contextmanager
def until_interrupted() -> Iterator[None]:
    """Leave the block at Ctrl-C, with what was measured so far."""
    try:
        yield
    except KeyboardInterrupt:
        show_progress("")
        print("interrupted: what was measured so far follows", file=sys.stderr)


def measure(case: AnyCase, loop: Loop, settings: Settings) -> Measurement:
    """Return one measurement, made in a fresh process; raise NoMeasurement."""
    if isinstance(case, Service) and case.kind is INSTRUCTIONS:
        return instructions.measure(case, loop, settings)
    if isinstance(case, Service):
        return service.measure(case, loop, settings)
    return inside.measure(case, loop, settings)


def allow_open_files() -> None:
    """Let servers and loads open as many files as the system lets them."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextlib.contextmanager
def backings_of(cases: Mapping[str, AnyCase], settings: Settings) -> Iterator[None]:
    """Run the database servers that the cases are clients of."""
    needed = {case.backing for case in cases.values() if isinstance(case, Client)}
    with contextlib.ExitStack() as stack:
        for name in sorted(needed):
            stack.enter_context(BACKINGS[name].started(settings.load_core))
        yield


def show_progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
