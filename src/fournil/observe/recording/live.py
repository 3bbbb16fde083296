"""A recording as it is now: a state that grows by what a reader finds, and snapshots of it.

A finished recording is one that was read once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace

from fournil.evidence.classify import Limits
from fournil.evidence.looks import Look, weight
from fournil.evidence.ownership import Ownership
from fournil.evidence.stacks import parse
from fournil.observe.recording import decode
from fournil.observe.recording.blocked import CodeOf, Judge
from fournil.observe.recording.decode import Key, Text
from fournil.observe.recording.decode_samples import (
    SampleOfHolder,
    SampleOfLook,
    last_tick_of_samples,
    samples,
)
from fournil.observe.recording.events import Births, Events, last_tick
from fournil.observe.recording.lazy import LazyMapping, LazySequence
from fournil.observe.recording.model import (
    BlockedStep,
    Meta,
    Recording,
    RunningStep,
    Script,
    Thread,
    code_of,
)
from fournil.observe.recording.reading import Delta, read_file
from fournil.observe.recording.samples import Samples, Stack
from fournil.observe.recording.served import Served
from fournil.observe.recording.tasks import Tasks
from fournil.record import layout
from fournil.record.kinds import Kind
from fournil.record.units import Clock

SAME_RATE = 1e-7
"""The clocks are read again while the program runs, so that the rate of ticks is known better each
time; by less than this it does not matter."""

SMALL_PIECE = 1 << 16
"""A ring's newest piece takes what is added, until it has so many bytes."""


def load(path: str, clock: Clock | None = None, mine: Sequence[str] = ()) -> Recording:
    """Return the recording at `path`, as it is now.

    Args:
        path: the recording.
        clock: that of a longer recording of the same machine.
        mine: packages that count as the user's own, besides those that the recording names.

    Raises:
        RecordingError: there is none, or it cannot be read.
    """
    return snapshot(read_file(path), clock, mine)


def snapshot(delta: Delta, clock: Clock | None = None, mine: Sequence[str] = ()) -> Recording:
    """Return the recording of which a first poll has read all there is."""
    state = State(clock, mine)
    state.apply(delta)
    return state.recording()


OF_ANY_THREAD = -1
"""In place of a step's kind: a stack of a thread that may run no loop."""


class State:
    """What is known of one recording. Its rings hold as much as the recording's own."""

    def __init__(self, longer: Clock | None = None, mine: Sequence[str] = ()) -> None:
        self._longer = longer
        self._mine = tuple(mine)
        self._delta: Delta | None = None  # the last one
        self._events = _Newest(layout.EVENT)
        self._births = Births()
        self._calls = _Newest(layout.CALL)
        self._history = _Newest(layout.HISTORY)
        self._samples = Samples()
        self._text = Text()
        self._tasks: Tasks | None = None  # of the last snapshot
        self._meta = Meta()
        self._ownership = Ownership(self._meta)
        self._meta_text = 0
        self._stacks: dict[tuple[int, int], Stack] = {}  # many looks share a stack
        self._judged: dict[Key, BlockedStep] = {}
        self._judged_at = 0.0  # the nanoseconds of a tick
        self._last_event = self._last_sample = 0

    def apply(self, delta: Delta) -> None:
        """Take what a reader's poll has found."""
        header = delta.header
        self._delta = delta
        self._text = Text(delta.text)
        if header["meta_text"] != self._meta_text:
            self._meta_text = header["meta_text"]
            meta = decode.meta(self._text.at(self._meta_text, ""))
            self._meta = replace(meta, mine=(*meta.mine, *self._mine))
            self._ownership = Ownership(self._meta)
            self._stacks.clear()
        self._events.add(delta.events, delta.events_dropped, header["events_count"])
        self._births.add(delta.events, header["events_count"])
        self._history.add(delta.history, delta.history_dropped, header["history_count"])
        self._calls.add(delta.calls, delta.calls_dropped, header["calls_count"])
        clock = decode.clock(header, self._longer)
        self._samples.dropped += delta.samples_dropped
        found = samples(delta.samples, clock)
        for key in self._samples.add(found, header["samples_count"], self._stack_of):
            self._judged.pop(key, None)
        self._last_event = last_tick(delta.events) or self._last_event
        self._last_sample = last_tick_of_samples(delta.samples) or self._last_sample

    def recording(self) -> Recording:
        """Return a snapshot, which later changes leave as it is."""
        delta = self._delta
        if delta is None:
            raise ValueError("nothing was read yet: apply what a reader's first poll returned")
        header, text = delta.header, self._text
        clock = decode.clock(header, self._longer)
        end = self._last_tick(delta)
        events = Events(tuple(self._events.pieces), clock, self._births)
        calls = b"".join(self._calls.pieces)
        history = b"".join(self._history.pieces)
        tasks = self._tasks = Tasks(delta.tasks, text.at, clock, self._births, before=self._tasks)
        codes = LazyMapping(lambda: decode.codes(delta.sites, text))
        sites = LazyMapping(lambda: decode.sites(delta.sites, codes, clock))
        threads = decode.threads(
            delta.threads, delta.loops, text, clock, end, self._samples.looks.keys()
        )
        threshold_s = clock.duration(header["threshold_ticks"])
        limits = Limits(clock.ns_per_tick, header["switch_interval_ns"])
        judge = Judge(
            self._samples,
            clock,
            limits,
            threshold_s,
            self._ownership,
            text,
            self._served_of,
            blind=header["watch_error"] != 0,
        )
        serving = decode.serving_tick(header)
        if abs(clock.ns_per_tick - self._judged_at) > SAME_RATE * clock.ns_per_tick:
            self._judged.clear()
            self._judged_at = clock.ns_per_tick
        callers = decode.callers(delta.threads, text)
        running = {index: thread.running for index, thread in threads.items() if thread.is_loop}
        running |= {index: caller.running for index, caller in callers.items()}
        steps = self._blocked(
            judge, running, lambda subject: code_of(subject, codes, tasks, events)
        )
        at_steps = [step for step in steps if step.kind != Kind.CALL]
        blocked = tuple(step for step in at_steps if not step.debugged)
        script = self._script(judge, threads)
        taken = [self._samples.script_looks] if script else self._looks_at_steps()
        # The first look at a step stands for all the time since the step's begin.
        paces = sorted(weight(look) for looks in taken for look in looks[1:])
        counted = sum(thread.blocked for thread in threads.values() if thread.is_loop)
        return Recording(
            pid=header["pid"],
            parent=header["parent"],
            program=header["program"],
            started_unix_s=header["started_unix_ns"] / 1e9,
            run_s=max(0.0, clock.seconds(end)),
            ended=header["ended_ticks"] != 0,
            alive=delta.alive,
            threshold_s=threshold_s,
            meta=self._meta,
            codes=codes,
            sites=sites,
            tasks=tasks,
            tasks_born=header["tasks_born"],
            threads=threads,
            pools=decode.pools(delta.pools, text, clock, end),
            workers=decode.workers(delta.workers, text, clock),
            history=LazySequence(lambda: decode.history(history, clock)),
            calls=LazySequence(lambda: decode.calls(calls, text, clock)),
            callers=callers,
            blocked=blocked,
            slow_calls=tuple(step for step in steps if step.kind == Kind.CALL),
            gil_waits=judge.gil_waits(),
            script=script,
            serving_s=clock.seconds(serving) if serving else None,
            other_loops=header["other_loops"] != 0,
            looks=sum(map(len, taken)),
            look_every_s=clock.duration(paces[len(paces) // 2]) if paces else None,
            end=decode.end(header["end"], header["end_code"]),
            unseen=decode.unseen(
                header,
                events=self._events.dropped,
                samples=self._samples.dropped,
                calls=self._calls.dropped,
                blocked=max(0, counted - sum(step.ended for step in at_steps)),
                debugged=len(at_steps) - len(blocked),
            ),
            clock=clock,
            events=events,
        )

    def _last_tick(self, delta: Delta) -> int:
        """Return the end, or the last tick that anything in the recording was written at."""
        header = delta.header
        if header["ended_ticks"]:
            return int(header["ended_ticks"])
        return max(
            int(header["started_ticks"]),
            int(header["clock_ticks"]),
            self._last_event,
            self._last_sample,
            decode.last_tick_of_threads(delta.threads),
        )

    def _stack_of(self, look: SampleOfLook | SampleOfHolder) -> Stack:
        kind = look.kind if isinstance(look, SampleOfLook) else OF_ANY_THREAD
        key = look.stack, kind
        if key not in self._stacks:
            frames = parse(self._text.at(look.stack, ""))
            if kind == Kind.CALL:
                frames = self._ownership.inside_call(frames)
            elif kind not in {Kind.SCRIPT, OF_ANY_THREAD}:
                frames = self._ownership.inside_step(frames)
            self._stacks[key] = frames, self._ownership.innermost_own(frames)
        return self._stacks[key]

    def _served_of(self, key: Key) -> Served | None:
        reference = self._samples.served.get(key)
        if reference is None:
            return None
        found = parse(self._text.at(reference, ""))
        routes = [frame.function for frame in found if not frame.file and not frame.line]
        own = [frame for frame in found if frame.file and self._ownership.is_own(frame.file)]
        served = Served(own[0] if own else None, routes[0] if routes else None)
        return served if any(served) else None

    def _blocked(
        self,
        judge: Judge,
        running: Mapping[int, RunningStep | None],
        code_of: CodeOf,
    ) -> tuple[BlockedStep, ...]:
        """Return the blocked steps, and calls, in the order in which they began.

        Args:
            judge: makes them of the samples.
            running: what each thread runs now, by its index.
            code_of: returns the code that a subject runs.
        """
        for key, ended in self._samples.ended.items():
            if key not in self._judged:
                self._judged[key] = judge.ended(ended, code_of)
        steps = dict(self._judged)
        for index, now in running.items():
            if now and (index, now.begin_ticks) not in steps:
                step = judge.running(index, now, code_of)
                steps |= {step.key: step} if step else {}
        return tuple(sorted(steps.values(), key=lambda step: step.begin_ticks))

    def _looks_at_steps(self) -> list[list[Look]]:
        return [looks for key, looks in self._samples.looks.items() if key[0] < layout.LOOPS]

    def _script(self, judge: Judge, threads: Mapping[int, Thread]) -> Script | None:
        if any(thread.is_loop for thread in threads.values()):
            return None
        watched = [thread.index for thread in threads.values() if thread.number == 0]
        return judge.script(watched[0]) if watched else None


class _Newest:
    """The newest entries of a ring, in pieces as they were read."""

    def __init__(self, entry: layout.Layout) -> None:
        self.pieces: deque[bytes | memoryview[int]] = deque()
        self.dropped = 0
        self._entry = entry
        self._size = 0

    def add(self, data: bytes, dropped: int, most: int) -> None:
        """Take new entries, and let go of the oldest where there are more than `most`."""
        self.dropped += dropped
        if not data:
            return
        self._size += len(data)
        if self.pieces and len(self.pieces[-1]) + len(data) <= SMALL_PIECE:
            data = b"".join([self.pieces.pop(), data])
        self.pieces.append(data)
        while (excess := self._size - most * self._entry.size) > 0:
            first = self.pieces.popleft()
            if len(first) > excess:
                self.pieces.appendleft(memoryview(first)[excess:])
            gone = min(excess, len(first))
            self._size -= gone
            self.dropped += gone // self._entry.size
