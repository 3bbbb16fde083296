"""What it costs to have a step run elsewhere, at best and at worst: pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from fournil.evidence.classify import Blocker
from fournil.observe.advice.locks import Held
from fournil.observe.advice.machine import Machine
from fournil.observe.advice.sentence import Said
from fournil.observe.recording.model import BlockedGroup, BlockedStep
from fournil.observe.replay.whatif import ALONE, Move, Rivals
from fournil.observe.words import seconds

FAST, SLOW = 0.15, 2.5
"""A start takes between these multiples of what it is expected to take."""

UNKNOWN_SEND, UNKNOWN_EXTRA = 0.25, 0.5
"""At worst, what is sent and not known takes these shares of the work, on the loop and there."""

MEASURED = 3.0
"""What is sent and known takes up to so many times what it is expected to."""

STARVED, ALWAYS = 0.93, 0.75
"""Steps that had less of a core than this shared it with other programs; with less, all along."""

HELD_UP = 0.3
"""Seen to wait for the GIL for this share of the time that it had no CPU, a step did all along."""

FILES, SWITCH_S = 40, 0.005
"""The first call of a pool imports so many files; a thread keeps the GIL for this time."""

FEW, MANY = 0.4, 2.0
"""The number of these lies between these multiples of what it is expected to be: they change."""

TOLD_S = 0.05
"""Imports of less than this are not told."""

IDLE = 0.1
"""Cores that are busy for less than this are free."""

TOO_COSTLY, TOO_LONG = 0.6, 2.0
"""Where sending takes these shares of the work, on the loop and in all, nobody is advised to."""


class Imports(NamedTuple):
    """How long a process imports before it can run what is moved; at best, it need not."""

    expected_s: float
    worst_s: float


class Costs(NamedTuple):
    """A move, and what makes it worse."""

    moves: tuple[Move, Move, Move]  # as it is expected, at best, and at worst
    assumes: tuple[str, ...]


def costs_of(
    group: BlockedGroup,
    said: Said,
    machine: Machine,
    imports: Imports,
    *,
    has_started: bool = False,
) -> Costs:
    """Return what it costs to move the steps of a group.

    Args:
        group: the steps.
        said: what is advised against them.
        machine: what things cost.
        imports: how long a process imports what it runs.
        has_started: the program's pool of processes had started before.
    """
    rule, to = said.rule, said.rule.to
    move = Move(
        to,
        uses_cpu=group.blocker is not Blocker.WAITING,
        all_cores=rule.all_cores,
    )
    best = worst = move
    assumes: list[str] = []
    if to == "process":
        move, best, worst, assumes = _sent(group, said, machine, move, has_started=has_started)
        move = move._replace(import_s=imports.expected_s)
        worst = worst._replace(import_s=imports.worst_s)
        # There, no thread of this program's holds the GIL.
        held_up = sum(map(held_up_s, group.steps)) / group.count
        move = move._replace(extra_s=move.extra_s - held_up)
        best = best._replace(extra_s=best.extra_s - held_up)
        if held_up and move.start_on_loop_s:
            # Imports give the GIL up for each file, and wait for it again.
            move = move._replace(start_on_loop_s=move.start_on_loop_s + FILES * SWITCH_S)
        if imports.worst_s > TOLD_S:
            assumes.append(f"they import in {seconds(imports.worst_s)} what they run")
    if (held := said.held) is not None:
        move, worst = _taking(move, held), _taking(worst, held)
        if held.is_shared:
            best = _taking(best, held)
        else:
            assumes.append("they wait for one lock")
    is_alone = bool(worst.turns) and worst.at_once == 1
    if rule.turns and not move.uses_cpu and group.count > 1 and not is_alone:
        place = f"{group.culprit.file}:{group.culprit.line}"
        worst = worst._replace(turns=f"the server of {place}", at_once=1)
        assumes.append("what is waited for answers one at a time")
    return Costs((move, best, worst), tuple(assumes))


def _taking(move: Move, held: Held) -> Move:
    return move._replace(turns=held.name, at_once=held.at_once)


def _sent(
    group: BlockedGroup, said: Said, machine: Machine, move: Move, *, has_started: bool
) -> tuple[Move, Move, Move, list[str]]:
    work_s = group.total_s / group.count
    start_s, on_loop_s = (0.0, 0.0) if has_started else (machine.start_s, machine.start_on_loop_s)
    started = move._replace(start_s=start_s, start_on_loop_s=on_loop_s)
    best = move._replace(start_s=start_s * FAST, start_on_loop_s=on_loop_s * FAST)
    slow = start_s * SLOW
    move = move._replace(start_on_loop_s=on_loop_s * SLOW)
    assumes = [f"processes start in {seconds(slow)}"] if slow else []
    if said.sends is None or not said.sends.is_all:
        worst = move._replace(
            start_s=slow, send_s=UNKNOWN_SEND * work_s, extra_s=UNKNOWN_EXTRA * work_s
        )
        return started, best, worst, [*assumes, "much is sent"]
    send_s, extra_s = machine.on_loop(said.sends), machine.elsewhere(said.sends)
    worst = move._replace(start_s=slow, send_s=send_s * MEASURED, extra_s=extra_s * MEASURED)
    return (
        started._replace(send_s=send_s, extra_s=extra_s),
        best._replace(send_s=send_s, extra_s=extra_s),
        worst,
        assumes,
    )


def held_up_s(step: BlockedStep) -> float:
    """Return how long a step that computed had no CPU since another thread held the GIL.

    The recorder sees few of the moments at which a thread loses it; a thread that seldom did lost
    its CPU to other programs.
    """
    if step.cpu_share is None:
        return 0.0
    without_s = (1 - step.cpu_share) * step.duration_s
    return without_s if step.gil_wait_s > HELD_UP * without_s else 0.0


def is_too_costly(group: BlockedGroup, said: Said, machine: Machine) -> bool:
    """Whether what is sent takes about as long as the work."""
    if said.sends is None or said.rule.to != "process":
        return False
    work_s = group.total_s / group.count
    on_loop_s = machine.on_loop(said.sends)
    return (
        on_loop_s > TOO_COSTLY * work_s
        or on_loop_s + machine.elsewhere(said.sends) > TOO_LONG * work_s
    )


class Company(NamedTuple):
    """Who else wants the cores, and what that makes worse."""

    rivals: tuple[Rivals, Rivals, Rivals]  # as it is expected, at best, and at worst
    assumes: tuple[str, ...]


NO_COMPANY = Company((ALONE, ALONE, ALONE), ())


def company_of(groups: Iterable[BlockedGroup], cores: int, others: float | None) -> Company:
    """Return who else wanted the cores while blocked steps computed.

    Args:
        groups: all blocked steps.
        cores: how many cores the machine has.
        others: how many of them other programs keep busy; None: not known.
    """
    seen_s = total_s = 0.0
    for group in groups:
        if group.blocker is Blocker.WAITING:
            continue
        for step in group.steps:
            if step.cpu_share is not None:
                seen_s += step.cpu_share * step.duration_s
                total_s += step.duration_s - held_up_s(step)
    share = seen_s / total_s if total_s else 1.0
    # With others that never rest, each step has its part of the cores. A step that was only
    # interrupted now and then had others that rest.
    always = min(1.0, max(0.0, STARVED - share) / (STARVED - ALWAYS))
    number = max(always * (cores / share - 1), others or 0.0)
    busy = max(float(cores // 2), number * MANY)
    if busy < IDLE:
        return NO_COMPANY
    if always:
        told = "other programs want the cores as well"
    else:
        # One that has a core for itself cannot tell what the others do.
        told = "a core is busy" if busy <= 1 else f"{round(busy)} cores are busy"
        told = "all cores are busy" if busy >= cores else told
    had = share if always else 1.0
    rivals = Rivals(number, had), Rivals(number * FEW, had), Rivals(busy, had)
    return Company(rivals, (told,))
