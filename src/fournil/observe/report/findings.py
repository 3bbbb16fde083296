"""What is worth telling about a recording: pure, and the same for the text and the JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from fournil.evidence.classify import Blocker
from fournil.evidence.ownership import Ownership
from fournil.observe.advice.advisor import Advice
from fournil.observe.advice.headroom import Headroom
from fournil.observe.advice.pools import PoolFinding, find_pools
from fournil.observe.recording import blocked
from fournil.observe.recording.model import BlockedGroup, Recording, Site
from fournil.observe.recording.tasks import Task
from fournil.observe.replay.startup import mark_startup
from fournil.observe.replay.sufferers import Suffering, find_sufferers, suffering
from fournil.observe.replay.whatif import Outcome
from fournil.observe.report import endings
from fournil.observe.report.callers import Caller, Request, callers, requests
from fournil.observe.report.gil_waits import GilWait, find_gil_waits
from fournil.observe.report.notes import notes
from fournil.observe.report.titles import Alike
from fournil.record.kinds import Kind

MOST = 5
"""So many pieces of code are named among those that took most of the loop."""

LEAST_SHARE = 0.01
"""Code that took less of the loop than this is not named."""

COLLECTOR = "collector"
"""The rule of advice for what the collector of garbage does by itself."""

TASK = "task"
RUNNERS: dict[int, str] = {
    Kind.TASK: TASK,
    Kind.CALLBACK: "callback",
    Kind.TIMER: "timer",
    Kind.READER: "reader",
    Kind.WRITER: "writer",
}


class Share(NamedTuple):
    """What one process had of a group of blocked steps."""

    pid: int
    steps: int
    total_s: float


@dataclass(frozen=True, slots=True)
class Finding:
    """A group of blocked steps, with who ran the longest of them and what would help."""

    group: BlockedGroup
    runner: str  # one of RUNNERS
    who: str | None  # the task or the callback in words
    others: int  # how many other tasks or callbacks ran such steps
    started_by: str | None
    suffering: Suffering
    sufferers: tuple[tuple[str, int], ...]  # code in words, and how many of its steps waited
    advice: Advice | None
    callers: tuple[Caller, ...] = ()
    requests: tuple[Request, ...] = ()
    shares: tuple[Share, ...] = ()  # of each process that it ran in, where there are several

    def rank(self) -> tuple[bool, bool, bool, float]:
        """Return where it stands among others: the least first."""
        starved = self.group.blocker is Blocker.STARVED
        return self.group.at_startup, starved, self.hurt_nobody, -self.group.total_s

    @property
    def hurt_nobody(self) -> bool:
        """Whether nothing waited for any of these steps."""
        return self.suffering.steps == 0 and self.suffering.unknown == 0

    @property
    def is_collector(self) -> bool:
        """Whether the collector of garbage ran by itself: at which line that was is chance."""
        return self.advice is not None and self.advice.rule == COLLECTOR


@dataclass(frozen=True, slots=True)
class HotSite:
    """A piece of code that took much of the loops' time."""

    site: Site
    task: Task | None  # the one that took most, of those that still have a slot
    share: float  # of the time that all loops ran


@dataclass(frozen=True, slots=True)
class Report:
    """A recording and what is worth telling about it."""

    recording: Recording
    findings: tuple[Finding, ...]
    """What made others wait first, then the greatest total time; what was of the start-up last."""
    hot_sites: tuple[HotSite, ...]
    never_awaited: tuple[Site, ...]
    never_retrieved: tuple[Site, ...]
    unfinished: tuple[endings.Unfinished, ...]
    pools: tuple[PoolFinding, ...]
    estimate: Outcome | None  # of following all advice
    headroom: Headroom | None  # None: nothing came from outside, or not evenly
    notes: tuple[str, ...]
    gil_waits: tuple[GilWait, ...] = ()
    processes: tuple[Alike, ...] = ()  # none where there is one process
    unseen: tuple[tuple[str, ...], ...] = ()  # the command lines of processes that were not seen


class Adviser(Protocol):
    """Says what would help in a recording."""

    def advise(self, group: BlockedGroup) -> Advice | None:
        """Return what would help against a group of blocked steps."""

    def estimate(self, advised: Sequence[tuple[BlockedGroup, Advice]]) -> Outcome | None:
        """Return what the run would have been with all advice followed."""

    def headroom(self, advised: Sequence[tuple[BlockedGroup, Advice]]) -> Headroom | None:
        """Return how many times its load the loop bears, now and with all advice followed."""


def find(recording: Recording, adviser: Adviser) -> Report:
    """Return what is worth telling about a recording."""
    sufferers = find_sufferers(recording)
    recording = mark_startup(recording, sufferers)
    groups = _collections(blocked.group(recording.blocked), adviser)
    findings = [
        _finding(group, recording, adviser, suffering(group.steps, sufferers)) for group in groups
    ]
    findings.sort(key=Finding.rank)
    advised = [(finding.group, finding.advice) for finding in findings if finding.advice]
    sites = recording.sites.values()
    never_awaited = [site for site in sites if site.never_awaited]
    never_retrieved = [site for site in sites if site.never_retrieved]
    return Report(
        recording=recording,
        findings=tuple(findings),
        hot_sites=tuple(_hot_sites(recording)),
        never_awaited=tuple(sorted(never_awaited, key=lambda site: -site.never_awaited)),
        never_retrieved=tuple(sorted(never_retrieved, key=lambda site: -site.never_retrieved)),
        unfinished=tuple(endings.unfinished(recording)),
        pools=tuple(find_pools(recording)),
        estimate=adviser.estimate(advised) if advised else None,
        headroom=adviser.headroom(advised),
        notes=tuple(notes(recording)),
        gil_waits=tuple(find_gil_waits(recording)),
    )


def _collections(groups: list[BlockedGroup], adviser: Adviser) -> list[BlockedGroup]:
    """Return groups with those as one in which the collector of garbage ran by itself.

    At which line that was is chance. A line that asks for a collection stands for itself.
    """
    by_itself: list[BlockedGroup] = []
    others: list[BlockedGroup] = []
    for group in groups:
        advice = adviser.advise(group) if group.blocker is Blocker.GC else None
        (by_itself if advice and advice.rule == COLLECTOR else others).append(group)
    if len(by_itself) > 1:
        steps = [step for group in by_itself for step in group.steps]
        steps.sort(key=lambda step: step.begin_ticks)
        by_itself = [BlockedGroup(Blocker.GC, by_itself[0].culprit, tuple(steps))]
    return sorted([*by_itself, *others], key=lambda group: -group.total_s)


def _finding(
    group: BlockedGroup, recording: Recording, adviser: Adviser, waited: Suffering
) -> Finding:
    step = group.longest
    if step.kind == Kind.TASK:
        starter = recording.maker_of(step.subject)
    else:
        starter = recording.events.waker_of(step.thread, step.begin_ticks)
    return Finding(
        group=group,
        runner=RUNNERS.get(step.kind, "callback"),
        who=recording.describe(step.subject),
        others=len({step.subject for step in group.steps}) - 1,
        started_by=recording.describe(starter),
        suffering=waited,
        sufferers=_by_code(waited, recording),
        advice=None if group.at_startup else adviser.advise(group),
        callers=callers(group, Ownership(recording.meta)),
        requests=requests(group),
    )


def _by_code(waited: Suffering, recording: Recording) -> tuple[tuple[str, int], ...]:
    """Return whose steps waited, with how many, the most first.

    A step of a library counts for the task that it woke.
    """
    ownership = Ownership(recording.meta)
    counts: Counter[str] = Counter()
    for subjects, steps in waited.by.items():
        for code in map(recording.code_of, subjects):
            if code is not None and code.file and ownership.is_programs(code.file):
                counts[code.function if code.is_coroutine else f"{code.function}()"] += steps
                break
    return tuple(counts.most_common())


def _hot_sites(recording: Recording) -> list[HotSite]:
    ran_s = sum(loop.ran_s for loop in recording.loops)
    if ran_s <= 0:
        return []
    busiest: dict[int, Task] = {}
    for task in recording.tasks.values():
        if task.site not in busiest or task.busy_s > busiest[task.site].busy_s:
            busiest[task.site] = task
    sites = sorted(recording.sites.values(), key=lambda site: -site.busy_s)
    return [
        HotSite(site, busiest.get(site.index), site.busy_s / ran_s)
        for site in sites[:MOST]
        if site.busy_s / ran_s >= LEAST_SHARE
    ]
