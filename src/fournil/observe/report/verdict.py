"""What a report says first, and again last: whether anything blocked. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from fournil.evidence.classify import Blocker
from fournil.evidence.ownership import Ownership
from fournil.observe.recording.model import BlockedStep
from fournil.observe.report import causes
from fournil.observe.report.findings import Report
from fournil.observe.report.page import Line, Role, Span
from fournil.observe.words import count, seconds, share


def verdict(report: Report) -> Line:
    """Return whether anything blocked the program's loops."""
    recording = report.recording
    if not recording.loops and not recording.blocked:
        return (Span(_without_loops(report), Role.DIM),)
    serving = [
        step
        for step in recording.blocked
        if not step.at_startup and step.blocker is not Blocker.STARVED
    ]
    startup = [step for step in recording.blocked if step.at_startup]
    if serving:
        return _blocked(report, serving)
    if told := causes.without_blocked_steps(recording):
        return (Span(told, Role.BAD),)
    if recording.unseen.blocked:
        return (Span(f"{count(recording.unseen.blocked, 'step')} blocked the loop", Role.BAD),)
    if startup:
        told = f": {_steps(startup)} took {_total(startup)} at start-up, before it served"
        return Span("Nothing blocked the loop", Role.GOOD), Span(told)
    ok = Span("Nothing blocked the loop", Role.GOOD)
    return ok, Span(f": no step ran for {seconds(recording.threshold_s)} or longer")


def _blocked(report: Report, serving: Sequence[BlockedStep]) -> Line:
    loops = report.recording.loops
    ran_s = sum(loop.ran_s for loop in loops)
    total_s = sum(step.duration_s for step in serving)
    name, they = ("loops", "they") if len(loops) > 1 else ("loop", "it")
    told = f"{_steps(serving)} blocked the {name} for {seconds(total_s)}"
    more = f", {share(total_s / ran_s)} of the {seconds(ran_s)} that {they} ran" if ran_s else ""
    harmless = all(
        finding.hurt_nobody
        for finding in report.findings
        if finding.group.blocker is not Blocker.STARVED
    )
    if harmless:
        more += "; nothing else waited"
    return Span(told, Role.PLAIN if harmless else Role.BAD), Span(more)


def _steps(steps: Sequence[BlockedStep]) -> str:
    return count(len(steps), "step")


def _total(steps: Sequence[BlockedStep]) -> str:
    return seconds(sum(step.duration_s for step in steps))


def _without_loops(report: Report) -> str:
    recording = report.recording
    ownership = Ownership(recording.meta)
    lines = recording.script.lines if recording.script else ()
    if any(ownership.runs_loop_of_asyncio(line.frames) for line in lines):
        loop = "A loop of asyncio's own"
    elif recording.other_loops:
        loop = "A loop of another kind"
    else:
        return "No event loop ran"
    how = "run it by `fournil.run`, or the program by `fournil run`"
    return f"{loop} ran, which is not recorded: {how}"
