"""Programs on the toy loop: as replays predict them, and as they are when mended."""

from __future__ import annotations

from collections.abc import Callable

from fournil.observe.replay.steps import Columns
from fournil.observe.replay.whatif import Move, Outcome, Replay
from tests.observe.toyloop import Action, Join, Program, Spawn, ToyLoop

AWAIT = Move("await", uses_cpu=False)
IN_THREAD = Move("thread", uses_cpu=False)
NATIVE = Move("thread", uses_cpu=True)
PROCESS = Move("process", uses_cpu=True)

Make = Callable[[], Program]


def recorded(make: Make, *, cores: int = 2) -> tuple[Replay, ToyLoop]:
    loop = ToyLoop()
    run_s = loop.run(make())
    steps = Columns.of(loop.steps)
    return Replay(steps, cores=cores, run_s=run_s, code_of=loop.code_of), loop


def predicted(make: Make, move: Move = AWAIT, *, cores: int = 2) -> Outcome:
    """Return what a program would be with all its blocks moved."""
    model, loop = recorded(make, cores=cores)
    return model.outcome(dict.fromkeys(loop.blocked, move))


def mended(make: Make) -> float:
    """Return how long a program takes that waits where it had blocked."""
    return ToyLoop(mended=True).run(make())


def all_of(*makes: Make) -> Program:
    tasks = []
    for make in makes:
        task = yield Spawn(make())
        tasks.append(task)
    yield Join(tasks)


def doing(*actions: Action, times: int = 1) -> Program:
    for _ in range(times):
        yield from actions
