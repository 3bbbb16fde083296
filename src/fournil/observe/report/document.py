"""A report as a JSON object under stable names.

Times end in `_s` and are seconds; shares are between 0 and 1; what is not known is null.

```
run_s               how long the program ran, or until its last sign of life
ended, alive        whether it closed the recording; whether it runs still
end                 how its process ended: {status, signal, replaced} or null; signal: the name of
                    the one that killed it; replaced: by then another program had taken its
                    place (exec), which was not recorded
threshold_s         how long a step must run to count as blocked
dropped             events of the recording that were overwritten
tasks_born          how many tasks were made
program             {argv, main, python, implementation, fournil, cores, pid, started_unix_s}
serving_s           when a server of the first process accepted its first connection, or else
                    began to listen; null: there was none
other_loops         whether a loop of another kind ran, of which nothing is recorded
looks               how often the watch looked; look_every_s: how long it let pass between two
processes           of a program with several, the first one first: [{pid, parent, title, name,
                      argv, began_s, run_s, ended, alive, end, loops, blocked, blocked_s}]; all
                      else is of all of them; `began_s` is a Unix time; `name`: that which
                      multiprocessing gave it
not_seen            command lines of processes that started a Python which was not recorded
loops               [{number, thread, ran_s, busy_s, busy_share, idle_s, gil_wait_s, steps, polls,
                      blocked, longest_s, lag_s: {p50, p99, max}}]; what it ran is busy_s, idle_s
                      and gil_wait_s, in which another thread held the GIL, between its steps
blocked             what made others wait first, then the greatest total, and what was over
                    before anybody was served last: [{class, file, line, function,
                      lines: [{file, line, function, total_s}], count, total_s, longest_s, steps_s,
                      running, gil_wait_s, kind, task, callback, started_by, others,
                      serves: [{route, file, line, function, share}],
                      callers: [{file, line, function, own, share}],
                      processes: [{pid, steps, total_s}], when: {first_s, last_s, at_startup},
                      delayed: {steps, total_s, longest_s, arrived, unknown},
                      sufferers: [{code, steps}], lack: {wanted_s, throttled_s, stopped_s},
                      kernel_s, collection: {generation, objects} or null, holder: {name, file,
                      line, function} or null, not_seen, stack: [{file, line, function, own}],
                      source, advice: {to, text, rule, file, edits, gain_s, run_s, busy_s,
                      lag_s, range_s, assumes} or null}]
                    `class` is waiting, python, native, native-gil, gc, starved, or null when the
                    watch saw nothing, and then `not_seen` says why; file, line and function are of
                    the innermost frame of the user's own code; `stack` is innermost first;
                    `kind` is task, callback, timer, reader or writer; `callback` names the function
                    where there is no task;
                    `lines` are all on which the time went, the heaviest first; `serves` says for
                    which route and handler (its first line) a framework ran them, null where one
                    of the two is not known; `callers` are the nearest first, and those at the
                    end with shares below 1 are alternatives;
                    `others` counts the other tasks or callbacks that ran such steps; `steps_s`
                    is what they took with their other lines, which have entries of their own;
                    `when` counts from the recording's start; `delayed` is of the steps that were
                    ready meanwhile, `sufferers` whose they are; `arrived` of them took up what had
                    come from outside, whose times are estimates; of `unknown` blocked steps
                    nothing is left that tells;
                    `lack`: for how long the steps wanted a CPU and had none, for how long of that
                    a quota had stopped the process, and for how long it was stopped otherwise;
                    `kernel_s`: how long they were on the CPU in the kernel; `collection`: the
                    greatest collection of garbage that ran; `holder`: the thread that had the GIL
                    for which they waited, and its line; `running` says that a step had not ended;
                    an advice is to await, to use a thread or a process, or to change the code;
                    `rule` names what it is of; `edits` are changes of `file` that do what it says,
                    none where they cannot be written: [{line, column, end_line, end_column, text}],
                    lines from 1,
                    columns in characters from 0; its estimates are of following it alone,
                    null where they are not known
gil_waits           waits for the GIL between two steps, each for the threshold or longer: [{class,
                      file, line, function, count, total_s, longest_s, thread, lack,
                      collection, when, stack, source, advice}]; class and lines are of the
                      thread that had it, whose name is `thread`; `advice` is a sentence or null
estimate            of following all advice: {run_s, busy_s, lag_s: {p50, p99, max}, coarse,
                    range_s: [low, high], assumes: [sentence]} or null; coarse: of some steps
                    little was known; range_s: in which the run's time lies; assumes: what makes
                    it longer
headroom            of a server: {now, limit, with_advice, limit_with_advice, assumes: [sentence]}:
                    how many times as much it bears as came, as it is and with all advice
                    followed (null: there is none); limit: what is full then, loop, cores,
                    threads, workers, or a lock; null where nothing came from outside, little, or
                    now much and now little
tasks               code that took most of the loops: [{function, file, line, is_coroutine,
                      task, tasks, steps, busy_s, share, delay_s, longest_s}]
never_awaited       coroutines: [{function, file, line, count}]
never_retrieved     exceptions of tasks: [{function, file, line, count}]
pending             tasks that did not end by themselves: [{ending, function, file, line,
                      count, tasks: [name], started_by}]; `ending` is pending, cancelled at
                      the end, or destroyed while pending
pools               the busiest first: [{kind, name, workers, open_s, busy_share, calls, done,
                      raised, cancelled, abandoned, died, in_flight, waited_s, travelled_s,
                      ran_s, longest_s, cpu_s, bytes_out, bytes_back, most_at_once, worth_it,
                      advice: {to, text, gain_s} or null}]
                    times are sums over all calls that ran: until a worker was free, on the way
                    there and back, in functions; `worth_it` says that they ran for longer than
                    they travelled, or is null; an advice is larger pieces, to share, a thread, a
                    process, more or fewer workers
script              of a program without a loop: {watched_s, lines: [{class, file, line,
                      function, total_s}]} or null
unseen              what found no room or was overwritten, as counts by name
notes               what else a reader should know, as sentences
```
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from fournil.evidence.ownership import Ownership
from fournil.evidence.stacks import Frame, sum_by_line
from fournil.observe.advice.advisor import Advice
from fournil.observe.advice.headroom import Headroom
from fournil.observe.advice.pools import PoolFinding
from fournil.observe.recording.hindrances import Holder
from fournil.observe.recording.model import BlockedGroup, End, Script, Site, Thread
from fournil.observe.report.callers import Request
from fournil.observe.report.endings import Unfinished
from fournil.observe.report.findings import TASK, Finding, HotSite, Report
from fournil.observe.report.gil_waits import GilWait
from fournil.observe.report.titles import Process
from fournil.observe.words import signal_name

Document = dict[str, Any]


def as_dict(report: Report, source: Callable[[Frame], str] = lambda frame: "") -> Document:
    """Return a report as what `json` can write."""
    recording, meta = report.recording, report.recording.meta
    ownership = Ownership(meta)
    return {
        "run_s": recording.run_s,
        "ended": recording.ended,
        "alive": recording.alive,
        "end": _end(recording.end),
        "threshold_s": recording.threshold_s,
        "dropped": recording.unseen.events,
        "tasks_born": recording.tasks_born,
        "serving_s": recording.serving_s,
        "other_loops": recording.other_loops,
        "looks": recording.looks,
        "look_every_s": recording.look_every_s,
        "program": {
            "argv": list(meta.argv),
            "main": meta.main,
            "python": meta.python,
            "implementation": meta.implementation,
            "fournil": meta.fournil,
            "cores": meta.cores,
            "pid": recording.pid,
            "started_unix_s": recording.started_unix_s,
        },
        "processes": [
            _process(process, alike.title)
            for alike in report.processes
            for process in alike.processes
        ],
        "not_seen": [list(words) for words in report.unseen],
        "loops": [_loop(loop) for loop in recording.loops],
        "blocked": [_finding(finding, ownership, source) for finding in report.findings],
        "gil_waits": [_gil_wait(wait, ownership, source) for wait in report.gil_waits],
        "estimate": _estimate(report),
        "headroom": None if report.headroom is None else _headroom(report.headroom),
        "tasks": [_hot_site(hot) for hot in report.hot_sites],
        "never_awaited": [
            _place(site) | {"count": site.never_awaited} for site in report.never_awaited
        ],
        "never_retrieved": [
            _place(site) | {"count": site.never_retrieved} for site in report.never_retrieved
        ],
        "pending": [_unfinished(group) for group in report.unfinished],
        "pools": [_pool(finding) for finding in report.pools],
        "script": _script(recording.script),
        "unseen": asdict(recording.unseen),
        "notes": list(report.notes),
    }


def _end(end: End | None) -> Document | None:
    if end is None:
        return None
    return end._asdict() | {"signal": None if end.signal is None else signal_name(end.signal)}


def _process(process: Process, title: str) -> Document:
    recording = process.recording
    return {
        "pid": process.pid,
        "parent": process.parent,
        "title": title,
        "name": process.name or None,
        "argv": list(recording.meta.argv),
        "began_s": recording.started_unix_s,
        "run_s": recording.run_s,
        "ended": recording.ended,
        "alive": recording.alive,
        "end": _end(recording.end),
        "loops": [_loop(loop) for loop in recording.loops],
        "blocked": len(recording.blocked),
        "blocked_s": sum(step.duration_s for step in recording.blocked),
    }


def _loop(loop: Thread) -> Document:
    return {
        "number": loop.number,
        "thread": loop.name,
        "ran_s": loop.ran_s,
        "busy_s": loop.busy_s,
        "busy_share": loop.busy_share,
        "idle_s": loop.idle_s,
        "gil_wait_s": loop.gil_wait_s,
        "steps": loop.steps,
        "polls": loop.polls,
        "blocked": loop.blocked,
        "longest_s": loop.longest_s,
        "lag_s": loop.lag._asdict(),
    }


def _finding(finding: Finding, ownership: Ownership, source: Callable[[Frame], str]) -> Document:
    group, advice = finding.group, finding.advice
    is_task = finding.runner == TASK
    return {
        "class": group.blocker.value if group.blocker else None,
        **group.culprit._asdict(),
        "lines": _lines(group),
        "count": group.count,
        "total_s": group.total_s,
        "longest_s": group.longest_s,
        "steps_s": group.whole_s,
        "running": any(not step.ended for step in group.steps),
        "gil_wait_s": group.gil_wait_s,
        "kind": finding.runner,
        "task": finding.who if is_task else None,
        "callback": None if is_task else finding.who,
        "started_by": finding.started_by,
        "others": finding.others,
        "serves": [_request(request) for request in finding.requests],
        "callers": [
            caller.frame._asdict()
            | {"own": ownership.is_own(caller.frame.file), "share": caller.share}
            for caller in finding.callers
        ],
        "processes": [share._asdict() for share in finding.shares],
        "when": _when(group),
        "delayed": {
            "steps": finding.suffering.steps,
            "total_s": finding.suffering.total_s,
            "longest_s": finding.suffering.longest_s,
            "arrived": finding.suffering.arrived,
            "unknown": finding.suffering.unknown,
        },
        "sufferers": [{"code": name, "steps": steps} for name, steps in finding.sufferers],
        "lack": group.lack._asdict(),
        "kernel_s": group.kernel_s,
        "collection": group.collection._asdict() if group.collection else None,
        "holder": _holder(group.holder),
        "not_seen": next((step.unlooked.value for step in group.steps if step.unlooked), None),
        "stack": _stack(group, ownership),
        "source": source(group.culprit).strip() or None,
        "advice": None if advice is None else _advice(advice),
    }


def _when(group: BlockedGroup) -> Document:
    begins = [step.begin_s for step in group.steps]
    return {"first_s": min(begins), "last_s": max(begins), "at_startup": group.at_startup}


def _stack(group: BlockedGroup, ownership: Ownership) -> list[Document]:
    return [frame._asdict() | {"own": ownership.is_own(frame.file)} for frame in group.frames]


def _holder(holder: Holder | None) -> Document | None:
    if holder is None:
        return None
    return {"name": holder.name or None, **holder.culprit._asdict()}


def _gil_wait(wait: GilWait, ownership: Ownership, source: Callable[[Frame], str]) -> Document:
    group = wait.group
    return {
        "class": group.blocker.value if group.blocker else None,
        **group.culprit._asdict(),
        "count": group.count,
        "total_s": group.total_s,
        "longest_s": group.longest_s,
        "thread": wait.thread or None,
        "lack": group.lack._asdict(),
        "collection": group.collection._asdict() if group.collection else None,
        "when": _when(group),
        "stack": _stack(group, ownership),
        "source": source(group.culprit).strip() or None,
        "advice": wait.advice,
    }


def _lines(group: BlockedGroup) -> list[Document]:
    lines = sum_by_line(item for step in group.steps for item in step.lines.items())
    heaviest_first = sorted(lines.items(), key=lambda item: -item[1])
    return [frame._asdict() | {"total_s": total_s} for frame, total_s in heaviest_first]


def _request(request: Request) -> Document:
    handler, route = request.served
    nowhere = {"file": None, "line": None, "function": None}
    place = handler._asdict() if handler else nowhere
    return {"route": route} | place | {"share": request.share}


def _advice(advice: Advice) -> Document:
    edits = [edit._asdict() for edit in advice.edits]
    return advice._asdict() | {"edits": edits, "assumes": list(advice.assumes)}


def _estimate(report: Report) -> Document | None:
    estimate = report.estimate
    if estimate is None:
        return None
    return {
        "run_s": estimate.run_s,
        "busy_s": estimate.busy_s,
        "lag_s": estimate.lag._asdict(),
        "coarse": estimate.coarse,
        "range_s": estimate.range_s,
        "assumes": list(estimate.assumes),
    }


def _headroom(found: Headroom) -> Document:
    return found._asdict() | {"assumes": list(found.assumes)}


def _hot_site(hot: HotSite) -> Document:
    site = hot.site
    return _place(site) | {
        "is_coroutine": site.is_coroutine,
        "task": hot.task.name if hot.task else None,
        "tasks": site.tasks,
        "steps": site.steps,
        "busy_s": site.busy_s,
        "share": hot.share,
        "delay_s": site.delay_s,
        "longest_s": site.longest_s,
    }


def _place(site: Site) -> Document:
    return {"function": site.function, "file": site.file or None, "line": site.line}


def _unfinished(group: Unfinished) -> Document:
    nowhere = {"function": None, "file": None, "line": None}
    return (_place(group.site) if group.site else nowhere) | {
        "ending": group.ending.value,
        "count": len(group.tasks),
        "tasks": [task.name for task in group.tasks],
        "started_by": group.started_by,
    }


def _pool(finding: PoolFinding) -> Document:
    pool, advice = finding.pool, finding.advice
    return {
        "kind": pool.kind,
        "name": pool.name,
        "workers": pool.workers,
        "open_s": pool.open_s,
        "busy_share": pool.busy_share,
        "calls": pool.calls,
        "done": pool.done,
        "raised": pool.raised,
        "cancelled": pool.cancelled,
        "abandoned": pool.abandoned,
        "died": pool.died,
        "in_flight": pool.in_flight,
        "waited_s": pool.waited_s,
        "travelled_s": pool.travelled_s,
        "ran_s": pool.inside_s,
        "longest_s": pool.longest_s,
        "cpu_s": pool.cpu_s,
        "bytes_out": pool.bytes_out,
        "bytes_back": pool.bytes_back,
        "most_at_once": finding.use.most,
        "worth_it": finding.worth_it,
        "advice": None if advice is None else advice._asdict(),
    }


def _script(script: Script | None) -> Document | None:
    if script is None:
        return None
    return {
        "watched_s": script.watched_s,
        "lines": [
            {"class": line.blocker.value, **line.culprit._asdict(), "total_s": line.total_s}
            for line in script.lines
        ],
    }
