"""Raw sections become a `model.Recording`: pure, and lenient with what it is given.

`reading` has checked where the sections are. What their entries refer to may still be
missing, since names that found no room are dropped and slots may be read half-written; a
reference that leads nowhere becomes `?` and never an error.
"""

from __future__ import annotations

import json
import struct
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

from fournil.observe import blocked, classify, stacks
from fournil.observe.lag import lag_of_turns, turns_of_buckets
from fournil.observe.model import (
    Answer,
    BlockedStep,
    End,
    Frame,
    Look,
    Meta,
    Pool,
    PoolCall,
    Recording,
    RunningStep,
    Script,
    Site,
    Task,
    TaskState,
    Thread,
    Unseen,
)
from fournil.observe.reading import RawRecording
from fournil.record import kinds, layout
from fournil.record.kinds import Kind, SampleKind
from fournil.record.units import Clock, unpack_ticks

MISSING = "?"
MOST_CORES = 1 << 20
_LENGTH = struct.Struct("<I")


class RawTask(NamedTuple):
    """The entry of a task: there may be a hundred thousand, and this is the fastest form."""

    id: int
    parent: int
    site: int
    name: int
    number: int
    state: int
    thread: int
    reserved: int
    born: int
    ended: int
    steps: int
    busy: int
    delay: int
    longest: int


def decode(raw: RawRecording) -> Recording:
    """Return what the sections of a recording say."""
    return _Decoder(raw).recording()


class _Decoder:
    """Decodes one recording; its parts in the order in which they need each other."""

    def __init__(self, raw: RawRecording) -> None:
        header = raw.header
        self._raw = raw
        self._header = header
        self._clock = Clock(
            (header["started_ns"], header["started_ticks"]),
            (header["clock_ns"], header["clock_ticks"]),
        )
        self._meta = _decode_meta(self._text(header["meta_text"], ""))
        self._ownership = stacks.Ownership(self._meta)
        # Many looks share a stack.
        self._stack = lru_cache(maxsize=None)(self._decode_stack)
        self._raw_tasks = [
            task
            for task in map(RawTask._make, layout.TASK.iter_unpack(raw.tasks))
            if task.id and task.state < len(TaskState)
        ]
        self._last_tick = self._find_last_tick()

    def recording(self) -> Recording:
        header, duration = self._header, self._clock.duration
        evidence = self._evidence()
        threads = self._threads(evidence)
        recording = Recording(
            pid=header["pid"],
            started_unix_s=header["started_unix_ns"] / 1e9,
            run_s=max(0.0, self._clock.seconds(self._last_tick)),
            ended=header["ended_ticks"] != 0,
            alive=self._raw.alive,
            threshold_s=duration(header["threshold_ticks"]),
            meta=self._meta,
            sites=self._sites(),
            tasks=self._tasks(),
            tasks_born=header["tasks_born"],
            threads=threads,
            pools=self._pools(),
            calls=self._calls(),
            blocked=(),
            script=None,
            looks=0,
            look_every_s=None,
            end=_end(header["end"], header["end_code"]),
            unseen=Unseen(
                events=self._raw.events_dropped,
                samples=self._raw.samples_dropped,
                texts=header["text_dropped"],
                sites=header["sites_dropped"],
                tasks=header["tasks_dropped"],
                loops=header["threads_dropped"],
                closed_loops=header["threads_recycled"],
                pools=header["pools_dropped"],
                closed_pools=header["pools_recycled"],
                calls=self._raw.calls_dropped,
                forks=header["forks"],
                signal_lost=header["watch_signal_lost"],
                unanswered=header["watch_unanswered"],
                watch_error=header["watch_error"],
            ),
            clock=self._clock,
            event_ring=self._raw.events,
        )
        limits = classify.Limits(self._clock.ns_per_tick, header["switch_interval_ns"])
        judge = blocked.Judge(evidence, self._clock, limits, recording.threshold_s)
        steps = self._blocked(judge, evidence, recording)
        counted = sum(thread.blocked for thread in recording.loops)
        missing = max(0, counted - sum(step.ended for step in steps))
        script = self._script(judge, threads)
        taken = [evidence.script_looks] if script else list(evidence.looks.values())
        return replace(
            recording,
            blocked=tuple(sorted(steps, key=lambda step: step.begin_ticks)),
            script=script,
            looks=sum(map(len, taken)),
            look_every_s=self._look_every_s(taken),
            unseen=replace(recording.unseen, blocked=missing),
        )

    def _blocked(
        self, judge: blocked.Judge, evidence: blocked.Evidence, recording: Recording
    ) -> list[BlockedStep]:
        steps = {
            (ended.thread, ended.begin): judge.ended(ended, recording.site_of(ended.subject))
            for ended in evidence.ended
        }
        for loop in recording.loops:
            if loop.running and (loop.index, loop.running.begin_ticks) not in steps:
                site = recording.site_of(loop.running.subject)
                if step := judge.running(loop.index, loop.running, site):
                    steps[step.key] = step
        return list(steps.values())

    def _look_every_s(self, taken: list[Sequence[Look]]) -> float | None:
        """Return the median time between two looks at the same step."""
        # The first look at a step stands for all the time since the step's begin.
        times = sorted(classify.weight(look) for looks in taken for look in looks[1:])
        return self._clock.duration(times[len(times) // 2]) if times else None

    def _script(self, judge: blocked.Judge, threads: dict[int, Thread]) -> Script | None:
        if any(thread.is_loop for thread in threads.values()):
            return None
        watched = [thread.index for thread in threads.values() if thread.number == 0]
        return judge.script(watched[0]) if watched else None

    def _find_last_tick(self) -> int:
        """Return the end, or the last tick that anything in the recording was written at."""
        header, raw = self._header, self._raw
        if header["ended_ticks"]:
            return int(header["ended_ticks"])
        ticks = [header["started_ticks"], header["clock_ticks"]]
        if raw.events:
            last = layout.EVENT.unpack(raw.events, len(raw.events) - layout.EVENT.size)
            ticks.append(last["begin"] + unpack_ticks(last["duration"]))
        if raw.samples:
            last = layout.SAMPLE.unpack(raw.samples, len(raw.samples) - layout.SAMPLE.size)
            ticks.append(last["at"])
        for entry in _entries(raw.threads, layout.THREAD):
            ticks += [entry["opened"], entry["closed"], entry["begin"], entry["waiting_since"]]
        return int(max(ticks))

    def _text(self, reference: int, missing: str = MISSING) -> str:
        """Return the text at a reference: its length in bytes stands before it."""
        text = self._raw.text
        if not 0 < reference <= len(text) - _LENGTH.size:
            return missing
        start = reference + _LENGTH.size
        (length,) = _LENGTH.unpack_from(text, reference)
        if length > len(text) - start:
            return missing
        # File names may be any bytes; `surrogateescape` is how Python keeps them.
        return text[start : start + length].decode("utf-8", "surrogateescape")

    def _decode_stack(self, reference: int, escaped: bool, in_loop: bool) -> tuple[Frame, ...]:
        frames = stacks.parse(self._text(reference, ""), escaped=escaped)
        return self._ownership.inside_step(frames) if in_loop else frames

    def _evidence(self) -> blocked.Evidence:
        ended = []
        looks: defaultdict[blocked.Key, list[Look]] = defaultdict(list)
        script_looks: list[Look] = []
        answers: defaultdict[int, dict[int, Answer]] = defaultdict(dict)
        for entry in _entries(self._raw.samples, layout.SAMPLE):
            thread, begin, kind = entry["thread"], entry["begin"], entry["kind"]
            is_script = entry["step_kind"] == Kind.SCRIPT
            if kind == SampleKind.ASK:
                answers[thread][entry["ask"]] = Answer(
                    used_ns=entry["cpu_ns"],
                    told_ns=entry["syscall"] * 1000,
                    waited_ns=int(entry["delay"] * self._clock.ns_per_tick),
                    over=bool(entry["evidence"] & kinds.SAW_OVER),
                    since=entry["since"],
                    took_ns=int(max(0, entry["at"] - entry["since"]) * self._clock.ns_per_tick),
                )
            elif kind == SampleKind.BLOCKED and not is_script:
                at, delay = entry["at"], entry["delay"]
                subject, step_kind = entry["subject"], entry["step_kind"]
                ended.append(blocked.Ended(thread, begin, at, delay, subject, step_kind))
            elif kind == SampleKind.LOOK:
                evidence = entry["evidence"]
                escaped = bool(evidence & kinds.SAW_SIGNAL)
                frames = self._stack(entry["stack"], escaped, not is_script)
                own = self._ownership.innermost_own(frames)
                look = Look(entry["at"], entry["since"], evidence, entry["ask"], frames, own)
                (script_looks if is_script else looks[thread, begin]).append(look)
        for taken in (*looks.values(), script_looks):
            taken.sort(key=lambda look: look.at)
        return blocked.Evidence(ended, looks, script_looks, answers)

    def _sites(self) -> dict[int, Site]:
        # The totals of a task are filed under its site when it ends.
        pending: defaultdict[int, list[RawTask]] = defaultdict(list)
        for task in self._raw_tasks:
            if task.state == kinds.TASK_PENDING:
                pending[task.site].append(task)
        sites = {}
        for index, entry in enumerate(_entries(self._raw.sites, layout.SITE)):
            if index or entry["steps"] or entry["tasks"]:
                sites[index] = self._site(index, entry, pending[index])
        return sites

    def _site(self, index: int, entry: dict[str, Any], pending: list[RawTask]) -> Site:
        duration = self._clock.duration

        def total(field: str) -> int:
            return int(entry[field] + sum(getattr(task, field) for task in pending))

        return Site(
            index=index,
            function=self._text(entry["function"]),
            file=self._text(entry["file"], ""),
            line=entry["line"],
            is_coroutine=bool(entry["flags"] & kinds.SITE_COROUTINE),
            tasks=entry["tasks"],
            ended=entry["ended"],
            steps=total("steps"),
            busy_s=duration(total("busy")),
            delay_s=duration(total("delay")),
            longest_s=duration(max([entry["longest"], *(task.longest for task in pending)])),
            never_awaited=entry["never_awaited"],
            never_retrieved=entry["never_retrieved"],
        )

    def _tasks(self) -> dict[int, Task]:
        seconds, duration = self._clock.seconds, self._clock.duration
        states = dict(enumerate(TaskState))
        return {
            task.id: Task(
                id=task.id,
                name=self._task_name(task),
                parent=task.parent,
                site=task.site,
                state=states[task.state],
                thread=task.thread,
                born_s=seconds(task.born),
                ended_s=seconds(task.ended) if task.ended else None,
                steps=task.steps,
                busy_s=duration(task.busy),
                delay_s=duration(task.delay),
                longest_s=duration(task.longest),
            )
            for task in self._raw_tasks
        }

    def _task_name(self, task: RawTask) -> str:
        if task.name:
            return self._text(task.name)
        # A task is named at its first step.
        return f"Task-{task.number}" if task.number else "a task that never ran"

    def _threads(self, evidence: blocked.Evidence) -> dict[int, Thread]:
        return {
            index: self._thread(index, entry, evidence)
            for index, entry in enumerate(_entries(self._raw.threads, layout.THREAD))
            if entry["state"] in (kinds.THREAD_LOOP, kinds.THREAD_SCRIPT, kinds.THREAD_CLOSED)
        }

    def _thread(self, index: int, entry: dict[str, Any], evidence: blocked.Evidence) -> Thread:
        duration = self._clock.duration

        def until_now(since: int) -> int:
            return max(0, self._last_tick - since) if since else 0

        running = None
        turns = turns_of_buckets(entry["turns"], max(entry["longest"], entry["longest_turn"]))
        if entry["begin"]:
            running = RunningStep(entry["begin"], entry["subject"], entry["kind"])
            if (index, entry["begin"]) in evidence.looks:
                # The turn that does not end is in no histogram.
                turns.append((float(until_now(entry["begin"])), 1))
        ran = entry["ran"] + until_now(entry["running_since"])
        idle = entry["idle"] + until_now(entry["waiting_since"])
        lag = lag_of_turns(turns, ran)
        is_script = entry["state"] == kinds.THREAD_SCRIPT
        return Thread(
            index=index,
            number=0 if is_script else entry["number"],
            name=self._text(entry["name"], "MainThread" if is_script else ""),
            native_id=entry["native_id"],
            closed=entry["state"] == kinds.THREAD_CLOSED,
            opened_s=self._clock.seconds(entry["opened"]),
            ran_s=duration(ran),
            idle_s=duration(min(idle, ran)),
            in_steps_s=duration(entry["busy"]),
            steps=entry["steps"],
            polls=entry["polls"],
            blocked=entry["blocked"],
            longest_s=duration(entry["longest"]),
            lag=type(lag)(*(t * self._clock.ns_per_tick / 1e9 for t in lag)),
            running=running,
        )

    def _pools(self) -> tuple[Pool, ...]:
        pools = [
            self._pool(entry)
            for entry in _entries(self._raw.pools, layout.POOL)
            if entry["state"] in (kinds.POOL_OPEN, kinds.POOL_CLOSED)
        ]
        return tuple(sorted(pools, key=lambda pool: pool.number))

    def _pool(self, entry: dict[str, Any]) -> Pool:
        last_ns = self._clock.start_ns + self._clock.seconds(self._last_tick) * 1e9
        return Pool(
            number=entry["number"],
            kind=self._text(entry["kind"]),
            name=self._text(entry["name"]),
            workers=entry["workers"],
            open_s=max(0.0, (entry["closed"] or last_ns) - entry["opened"]) / 1e9,
            is_open=entry["state"] == kinds.POOL_OPEN,
            **{name: entry[name] for name in _COUNTS_OF_POOLS},
            **{f"{name}_s": entry[name] / 1e9 for name in _TIMES_OF_POOLS},
        )

    def _calls(self) -> tuple[PoolCall, ...]:
        start_ns = self._clock.start_ns

        def seconds(moment: int) -> float | None:
            return (moment - start_ns) / 1e9 if moment else None

        return tuple(
            PoolCall(
                queued_s=(call["queued"] - start_ns) / 1e9,
                **{f"{name}_s": seconds(call[name]) for name in _MOMENTS_OF_CALLS},
                bytes_out=unpack_ticks(call["bytes_out"]),
                bytes_back=unpack_ticks(call["bytes_back"]),
                subject=call["subject"],
                site=call["site"],
                worker=self._text(call["worker"]) if call["worker"] else None,
                pool=call["pool"],
                state=call["state"],
            )
            for call in _entries(self._raw.calls, layout.CALL)
        )


_COUNTS_OF_POOLS = (
    "calls", "done", "raised", "cancelled", "abandoned", "died", "ran", "bytes_out", "bytes_back",
)  # fmt: skip
_MOMENTS_OF_CALLS = ("sent", "began", "ended", "received")
_TIMES_OF_POOLS = ("waited", "out", "inside", "back", "longest", "cpu")


def _entries(data: bytes, entry: layout.Layout) -> list[dict[str, Any]]:
    return [entry.unpack(data, offset) for offset in range(0, len(data), entry.size)]


def _end(how: int, code: int) -> End | None:
    """Return what the header says of the process's end."""
    if not how & (kinds.END_EXITED | kinds.END_KILLED | kinds.END_REPLACED):
        return None
    return End(
        status=code if how & kinds.END_EXITED else None,
        signal=code if how & kinds.END_KILLED else None,
        replaced=bool(how & kinds.END_REPLACED),
    )


def _decode_meta(text: str) -> Meta:
    """Return what the program said about itself; what is not as expected is left out."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return Meta()
    if not isinstance(said, dict):
        return Meta()

    def string(key: str) -> str | None:
        return said[key] if isinstance(said.get(key), str) else None

    def strings(value: object) -> tuple[str, ...]:
        items = value if isinstance(value, list) else []
        return tuple(item for item in items if isinstance(item, str))

    cores = said.get("cores")
    roots = said.get("code_roots")
    roots = roots if isinstance(roots, dict) else {}
    return Meta(
        argv=strings(said.get("argv")),
        main=string("main"),
        python=string("python"),
        implementation=string("implementation"),
        fournil=string("fournil"),
        cores=cores if type(cores) is int and 0 < cores < MOST_CORES else None,
        stdlib_roots=strings(roots.get("stdlib")),
        package_roots=strings(roots.get("packages")),
        fournil_roots=strings(roots.get("fournil")),
    )
