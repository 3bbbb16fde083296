"""The report of a program of several processes, made of a report of each: pure.

What its processes have in common, as the workers of a server do, is said once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from fournil.evidence.ownership import Ownership
from fournil.observe.recording.blocked import ClassAtLine, join, lines_of_culprit
from fournil.observe.recording.lag import Lag
from fournil.observe.recording.model import BlockedGroup, Recording, Site
from fournil.observe.recording.program import as_one
from fournil.observe.replay.sufferers import Suffering
from fournil.observe.replay.whatif import Outcome
from fournil.observe.report.callers import callers, requests
from fournil.observe.report.endings import Ending, Unfinished
from fournil.observe.report.findings import MOST, Finding, HotSite, Report, Share
from fournil.observe.report.gil_waits import find_gil_waits
from fournil.observe.report.notes import notes
from fournil.observe.report.titles import kinds


def report_of(
    recordings: Sequence[Recording], reports: Sequence[Report], unseen: Sequence[tuple[str, ...]]
) -> Report:
    """Return the report of a program.

    Args:
        recordings: of its processes, the first one's first.
        reports: of each of them.
        unseen: the command lines of processes that were not seen.
    """
    if len(recordings) == 1:
        return replace(reports[0], unseen=tuple(unseen))
    # As the reports have them, which know more of their blocked steps.
    recordings = [report.recording for report in reports]
    whole = as_one(recordings)
    ran_s = sum(loop.ran_s for loop in whole.loops)
    return Report(
        recording=whole,
        findings=tuple(_findings(recordings, reports, whole)),
        hot_sites=tuple(_hot_sites([hot for report in reports for hot in report.hot_sites], ran_s)),
        never_awaited=_sites(site for report in reports for site in report.never_awaited),
        never_retrieved=_sites(site for report in reports for site in report.never_retrieved),
        unfinished=tuple(_unfinished(group for report in reports for group in report.unfinished)),
        pools=tuple(
            sorted(
                (pool for report in reports for pool in report.pools),
                key=lambda finding: -finding.pool.inside_s,
            )
        ),
        estimate=_estimate(recordings, reports),
        # What more comes is shared among them: the fullest bears least.
        headroom=min(
            (report.headroom for report in reports if report.headroom),
            key=lambda found: found.now,
            default=None,
        ),
        notes=tuple(notes(whole, became=any(one.pid == whole.pid for one in recordings[1:]))),
        gil_waits=tuple(find_gil_waits(whole)),
        processes=tuple(kinds(recordings)),
        unseen=tuple(unseen),
    )


def _findings(
    recordings: Sequence[Recording], reports: Sequence[Report], whole: Recording
) -> list[Finding]:
    first = recordings[0]
    parts = [
        (recording, finding)
        for recording, report in zip(recordings, reports, strict=True)
        for finding in report.findings
    ]
    merged = []
    # Which line of a loop weighs most may differ between workers that do the same.
    for those in join(parts, lambda part: _lines_of(part[1])):
        those.sort(key=lambda part: -part[1].group.total_s)
        heaviest = those[0][1]
        steps = tuple(
            replace(step, begin_s=step.begin_s + recording.started_unix_s - first.started_unix_s)
            for recording, finding in those
            for step in finding.group.steps
        )
        sufferers: Counter[str] = Counter()
        for _, finding in those:
            sufferers.update(dict(finding.sufferers))
        group = BlockedGroup(heaviest.group.blocker, heaviest.group.culprit, steps)
        merged.append(
            replace(
                heaviest,
                group=group,
                callers=callers(group, Ownership(whole.meta)),
                requests=requests(group),
                others=sum(finding.others + 1 for _, finding in those) - 1,
                suffering=_suffering([finding.suffering for _, finding in those]),
                sufferers=tuple(sufferers.most_common()),
                shares=tuple(_shares(those)),
            )
        )
    return sorted(merged, key=Finding.rank)


def _lines_of(finding: Finding) -> list[ClassAtLine]:
    return [line for step in finding.group.steps for line in lines_of_culprit(step)]


def _shares(parts: Iterable[tuple[Recording, Finding]]) -> Iterator[Share]:
    by_process: dict[int, list[Finding]] = defaultdict(list)
    for recording, finding in parts:
        by_process[recording.pid].append(finding)
    for pid, findings in by_process.items():
        groups = [finding.group for finding in findings]
        yield Share(pid, sum(of.count for of in groups), sum(of.total_s for of in groups))


def _suffering(parts: Sequence[Suffering]) -> Suffering:
    return Suffering(
        steps=sum(part.steps for part in parts),
        total_s=sum(part.total_s for part in parts),
        longest_s=max(part.longest_s for part in parts),
        arrived=sum(part.arrived for part in parts),
        by={},  # subjects are of one recording
        unknown=sum(part.unknown for part in parts),
    )


def _hot_sites(hot_sites: Iterable[HotSite], ran_s: float) -> list[HotSite]:
    by_code: dict[object, list[HotSite]] = defaultdict(list)
    for hot in hot_sites:
        site = hot.site
        by_code[site.function, site.file, site.line, site.is_coroutine].append(hot)
    merged = [
        HotSite(
            site := _site([hot.site for hot in those]),
            those[0].task if len(those) == 1 else None,
            site.busy_s / ran_s if ran_s else 0.0,
        )
        for those in by_code.values()
    ]
    return sorted(merged, key=lambda hot: -hot.site.busy_s)[:MOST]


def _sites(sites: Iterable[Site]) -> tuple[Site, ...]:
    by_code: dict[object, list[Site]] = defaultdict(list)
    for site in sites:
        by_code[site.function, site.file, site.line].append(site)
    return tuple(map(_site, by_code.values()))


def _unfinished(groups: Iterable[Unfinished]) -> list[Unfinished]:
    by_code: dict[object, list[Unfinished]] = defaultdict(list)
    for group in groups:
        site = group.site
        code = (site.function, site.file, site.line) if site else None
        by_code[code, group.ending].append(group)
    merged = [
        replace(
            those[0],
            site=_site([one.site for one in those if one.site]) if those[0].site else None,
            tasks=[task for one in those for task in one.tasks],
        )
        for those in by_code.values()
    ]
    return sorted(merged, key=lambda group: (list(Ending).index(group.ending), -len(group.tasks)))


def _site(parts: Sequence[Site]) -> Site:
    return replace(
        parts[0],
        tasks=sum(part.tasks for part in parts),
        ended=sum(part.ended for part in parts),
        steps=sum(part.steps for part in parts),
        busy_s=sum(part.busy_s for part in parts),
        delay_s=sum(part.delay_s for part in parts),
        longest_s=max(part.longest_s for part in parts),
        never_awaited=sum(part.never_awaited for part in parts),
        never_retrieved=sum(part.never_retrieved for part in parts),
    )


def _estimate(recordings: Sequence[Recording], reports: Sequence[Report]) -> Outcome | None:
    """Return what the program would have been with all advice followed, each process by itself."""
    if not any(report.estimate for report in reports):
        return None
    begin_s = recordings[0].started_unix_s
    outcomes = []
    for recording, report in zip(recordings, reports, strict=True):
        lags = [loop.lag for loop in recording.loops]
        as_it_is = Outcome(
            recording.run_s,
            sum(loop.in_steps_s for loop in recording.loops),
            max(lags, key=lambda lag: lag.p99, default=Lag(0.0, 0.0, 0.0)),
        )
        outcome = report.estimate or as_it_is
        outcomes.append((recording.started_unix_s - begin_s, outcome))
    # A process that waits for another, as the first for its workers, ends with it.
    with_loops = [
        later_s + outcome.run_s
        for (later_s, outcome), recording in zip(outcomes, recordings, strict=True)
        if recording.loops
    ]
    return Outcome(
        max(with_loops),
        sum(outcome.busy_s for _, outcome in outcomes),
        max((outcome.lag for _, outcome in outcomes), key=lambda lag: lag.p99),
        any(outcome.coarse for _, outcome in outcomes),
    )
