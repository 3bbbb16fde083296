"""What it costs to have a step run elsewhere, at best and at worst: pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from fournil.evidence.classify import Blocker
from fournil.observe.advice.machine import Machine
from fournil.observe.advice.sentence import Said
from fournil.observe.recording.model import BlockedGroup
from fournil.observe.replay.whatif import ALONE, Move, Rivals
from fournil.observe.words import seconds

FAST, SLOW = 0.15, 2.5
"""A start takes between these multiples of what it is expected to take."""

UNKNOWN_SEND, UNKNOWN_EXTRA = 0.25, 0.5
"""At worst, what is sent and not known takes these shares of the work, on the loop and there."""

MEASURED = 3.0
"""What is sent and known takes up to so many times what it is expected to."""

STARVED = 0.93
"""Steps that had less of a core than this shared it with other programs."""

FEW, MANY = 0.4, 2.0
"""The number of these lies between these multiples of what it is expected to be: they change."""

TOLD_S = 0.05
"""Imports of less than this are not told."""

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


def costs_of(group: BlockedGroup, said: Said, machine: Machine, imports: Imports) -> Costs:
    """Return what it costs to move the steps of a group."""
    rule, to = said.rule, said.rule.to
    move = Move(
        to,
        uses_cpu=group.blocker is not Blocker.WAITING,
        all_cores=rule.all_cores,
    )
    best = worst = move
    assumes: list[str] = []
    if to == "process":
        move, best, worst, assumes = _sent(group, said, machine, move)
        move = move._replace(import_s=imports.expected_s)
        worst = worst._replace(import_s=imports.worst_s)
        if imports.worst_s > TOLD_S:
            assumes.append(f"they import in {seconds(imports.worst_s)} what they run")
    elif rule.turns and not move.uses_cpu and group.count > 1:
        worst = worst._replace(turns=1 + hash(group.culprit) % (1 << 30))
        assumes.append("what is waited for answers one at a time")
    return Costs((move, best, worst), tuple(assumes))


def _sent(
    group: BlockedGroup, said: Said, machine: Machine, move: Move
) -> tuple[Move, Move, Move, list[str]]:
    work_s = group.total_s / group.count
    started = move._replace(start_s=machine.start_s)
    best = move._replace(start_s=machine.start_s * FAST)
    assumes = [f"processes start in {seconds(machine.start_s * SLOW)}"]
    slow = machine.start_s * SLOW
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


def company_of(groups: Iterable[BlockedGroup], cores: int) -> Company:
    """Return who else wanted the cores while blocked steps computed."""
    seen_s = total_s = 0.0
    for group in groups:
        if group.blocker is Blocker.WAITING:
            continue
        for step in group.steps:
            if step.cpu_share is not None:
                seen_s += step.cpu_share * step.duration_s
                total_s += step.duration_s
    share = seen_s / total_s if total_s else 1.0
    if share < STARVED:
        number = cores / share - 1
        found = tuple(Rivals(number * many, share) for many in (1.0, FEW, MANY))
        return Company((found[0], found[1], found[2]), ("other programs want the cores as well",))
    # One that has a core for itself cannot tell what the others do.
    busy = cores // 2
    told = "a core is busy" if busy == 1 else f"{busy} cores are busy"
    return Company((ALONE, ALONE, Rivals(busy, 1.0)), (told,) if busy else ())
