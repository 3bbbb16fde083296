"""Writes recordings by hand, through the layout alone: no native code, no loop, no clock.

Times are seconds since the recording's start. Ticks run at 2.5 a nanosecond, so that a
mistaken unit shows.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from fournil.record import kinds, layout, units
from fournil.record.kinds import Kind, SampleKind

TICKS_PER_NS = 2.5
STARTED_NS = 1_000_000_000
STARTED_TICKS = 77_000_000_000
PROJECT = "/home/ada/bakery"
APP = f"{PROJECT}/app.py"
STDLIB = "/usr/lib/python3.11"
PACKAGES = "/home/ada/venv/lib/python3.11/site-packages"
FOURNIL = f"{PACKAGES}/fournil"
META: dict[str, Any] = {
    "argv": ["app.py"],
    "main": APP,
    "python": "3.11.7",
    "implementation": "CPython",
    "fournil": "0.1.0",
    "cores": 2,
    "code_roots": {"stdlib": [STDLIB], "packages": [PACKAGES], "fournil": [FOURNIL]},
}

ON_CPU = kinds.SAW_ON_CPU
HELD = kinds.SAW_ON_CPU | kinds.SAW_GIL_HELD
OFF = 0
GIL_WAIT = kinds.SAW_GIL_WAIT

LOOP_FRAMES = (
    (f"{FOURNIL}/loop.py", 40, "run_forever"),
    (f"{STDLIB}/asyncio/runners.py", 118, "run"),
    (APP, 99, "<module>"),
)

Frames = Sequence[tuple[str, int, str]]


def ticks(seconds: float) -> int:
    """Return a duration in ticks."""
    return round(seconds * 1e9 * TICKS_PER_NS)


def tick(seconds: float) -> int:
    """Return a moment in ticks."""
    return STARTED_TICKS + ticks(seconds)


def moment(seconds: float) -> int:
    """Return a moment in nanoseconds of the machine's clock."""
    return STARTED_NS + round(seconds * 1e9)


def site_subject(index: int) -> int:
    return kinds.SITE_BIT | index


class Builder:
    """A recording in the making: add entries, then `build`."""

    def __init__(
        self,
        *,
        events: int = 256,
        samples: int = 256,
        calls: int = 256,
        meta: dict[str, Any] | None = META,
        **header: int,
    ) -> None:
        self._text = bytearray(8)
        self._sites: list[bytes] = []
        self._tasks: list[bytes] = []
        self._threads: list[bytes] = []
        self._loops: list[bytes] = []
        self._workers: list[bytes] = []
        self._history: list[bytes] = []
        self._samples: list[bytes] = []
        self._events: list[bytes] = []
        self._pools: list[bytes] = []
        self._calls: list[bytes] = []
        self._event_count = events
        self._sample_count = samples
        self._call_count = calls
        self._turns: dict[int, list[float]] = {}
        self.header: dict[str, Any] = {
            "pid": 4_000_000,
            "tsc": 1,
            "started_unix_ns": 1_760_000_000_000_000_000,
            "threshold_ticks": ticks(0.05),
            "switch_interval_ns": 5_000_000,
            "meta_text": self.text(json.dumps(meta)) if meta is not None else 0,
        } | header
        self.end(10.0)
        self.site("(code not recorded one by one)", "", 0)

    def end(self, seconds: float, *, closed: bool = True) -> Builder:
        """Set when the recording ended, or when its clock was renewed for the last time."""
        self.header["ended_ticks"] = tick(seconds) if closed else 0
        self.header["clock_ticks"] = tick(seconds)
        self.header["clock_ns"] = STARTED_NS + round(seconds * 1e9)
        return self

    def text(self, string: str) -> int:
        data = string.encode("utf-8", "surrogateescape")
        at = len(self._text)
        self._text += len(data).to_bytes(4, "little") + data
        self._text += bytes(-len(self._text) % 8)
        return at

    def site(self, function: str, file: str = APP, line: int = 1, /, **fields: int | float) -> int:
        """Add a piece of code and return its index; times are in seconds."""
        entry = {
            "function": self.text(function),
            "file": self.text(file) if file else 0,
            "line": line,
            "flags": kinds.SITE_COROUTINE,
        }
        self._sites.append(_pack(layout.SITE, entry | _in_ticks(fields)))
        return len(self._sites) - 1

    def task(self, site: int, **fields: int | float | str) -> int:
        """Add a task and return its id; times are in seconds."""
        number = len(self._tasks) + 1
        entry: dict[str, Any] = {"id": number, "site": site, "name": number, "born": 0.1}
        entry |= fields
        if isinstance(entry["name"], str):
            entry["name"] = self.text(entry["name"])
        elif entry["name"]:
            entry["name"] |= kinds.NAME_BIT
        for moment in ("born", "last"):
            entry[moment] = tick(entry[moment]) if entry.get(moment) else 0
        entry = _in_ticks(entry)
        entry["longest"] = units.pack_ticks(int(entry.get("longest", 0)))
        self._tasks.append(_pack(layout.TASK, entry))
        return int(entry["id"])

    def loop(self, *, turns: Sequence[float] = (), **fields: int | float | str) -> int:
        """Add a loop, or with state=THREAD_SCRIPT the main thread, and return its index."""
        entry: dict[str, Any] = {
            "sequence": len(self._threads) + 1,
            "state": kinds.THREAD_LOOP,
            "number": len(self._threads) + 1,
            "native_id": 4_000_000,
            "name": "MainThread",
            "opened": 0.01,
            "steps": 1,
        } | fields
        entry["name"] = self.text(entry["name"])
        for moment in _MOMENTS_OF_THREADS:
            entry[moment] = tick(entry[moment]) if entry.get(moment) else 0
        entry = _in_ticks(entry)
        histogram = [0] * layout.TURN_BUCKETS
        for turn in turns:
            histogram[units.turn_bucket(ticks(turn))] += 1
        of_thread = {name: value for name, value in entry.items() if name in layout.THREAD.names}
        of_loop = {name: value for name, value in entry.items() if name not in of_thread}
        totals = [of_loop.pop(name, 0) for name in layout.LOOP.names[1:-1]]
        assert not of_loop, f"threads and loops have no fields {sorted(of_loop)}"
        self._threads.append(_pack(layout.THREAD, of_thread))
        self._loops.append(layout.LOOP.struct.pack(entry["sequence"], *totals, *histogram))
        return len(self._threads) - 1

    def second(self, loop: int, at: float, **fields: int | float) -> None:
        """Add a row of the history, of a loop by its number; times are in seconds."""
        entry: dict[str, Any] = {"loop": loop, "lasted": 1.0} | fields
        for name in ("lasted", "busy", "gil_waited", "lag_p99", "lag_max"):
            entry[name] = units.pack_ticks(ticks(entry.get(name, 0.0)))
        self._history.append(_pack(layout.HISTORY, entry | {"at": tick(at)}))

    def worker(self, pool: int, name: str, site: int, **fields: int | float) -> None:
        """Add a worker that has begun calls; times are in seconds."""
        number = len(self._workers) + 1
        entry: dict[str, Any] = {"sequence": number, "pool": pool, "site": site} | fields
        entry["since"] = moment(entry["since"]) if "since" in entry else 0
        self._workers.append(_pack(layout.WORKER, entry | {"name": self.text(name)}))

    def event(self, kind: Kind, begin: float, duration: float = 0.0, **fields: int | float) -> None:
        entry: dict[str, Any] = {"kind": kind, "begin": tick(begin)} | fields
        entry["duration"] = units.pack_ticks(ticks(duration))
        entry["delay"] = units.pack_ticks(ticks(entry.get("delay", 0.0)))
        self._events.append(_pack(layout.EVENT, entry))

    def look(
        self,
        begin: float,
        at: float,
        since: float,
        evidence: int,
        frames: Frames = (),
        *,
        in_loop: bool = True,
        **fields: int,
    ) -> None:
        """Add a look of the watch at the step that began at `begin`."""
        inside = [*frames, *LOOP_FRAMES] if in_loop and frames else frames
        stack = "".join(f"{file}\x1f{line}\x1f{function}\n" for file, line, function in inside)
        entry = {
            "kind": SampleKind.LOOK,
            "begin": tick(begin),
            "at": tick(at),
            "since": tick(since),
            "evidence": evidence,
            "stack": self.text(stack) if stack else 0,
            "step_kind": Kind.TASK,
        }
        self._samples.append(_pack(layout.SAMPLE, entry | fields))

    def answer(self, ask: int, cpu: float, **fields: int) -> None:
        """Add the answer to a request for the GIL; `cpu` is in seconds."""
        entry = {"kind": SampleKind.ASK, "ask": ask, "number": round(cpu * 1e9)}
        self._samples.append(_pack(layout.SAMPLE, entry | fields))

    def served(self, begin: float, handlers: Frames) -> None:
        """Add what the step serves that began at `begin`; a route has no file."""
        text = "".join(f"{file}\x1f{line}\x1f{function}\n" for file, line, function in handlers)
        entry = {"kind": SampleKind.SERVED, "begin": tick(begin), "stack": self.text(text)}
        self._samples.append(_pack(layout.SAMPLE, entry))

    def holder(
        self, begin: float, at: float, since: float, evidence: int, frames: Frames, **fields: int
    ) -> None:
        """Add a look at the thread that had the GIL for which a loop waited since `begin`."""
        stack = "".join(f"{file}\x1f{line}\x1f{function}\n" for file, line, function in frames)
        entry = {
            "kind": SampleKind.HOLDER,
            "begin": tick(begin),
            "at": tick(at),
            "since": tick(since),
            "evidence": evidence,
            "stack": self.text(stack),
        }
        self._samples.append(_pack(layout.SAMPLE, entry | fields))

    def thread_name(self, native_id: int, name: str) -> None:
        entry = {"kind": SampleKind.NAME, "subject": native_id, "stack": self.text(name)}
        self._samples.append(_pack(layout.SAMPLE, entry))

    def gil_wait(self, begin: float, end: float, **fields: int) -> None:
        """Add a loop's wait for the GIL between two steps."""
        entry = {"kind": SampleKind.GIL_WAIT, "begin": tick(begin), "at": tick(end)}
        self._samples.append(_pack(layout.SAMPLE, entry | fields))

    def late(self, since: float, at: float, wanted: float = 0.0, throttled: float = 0.0) -> None:
        """Add that the watch could not look; `wanted`, `throttled`: for how long, in seconds."""
        entry = {
            "kind": SampleKind.LATE,
            "since": tick(since),
            "at": tick(at),
            "number": round(wanted * 1e9),
            "extra": round(throttled * 1e6),
        }
        self._samples.append(_pack(layout.SAMPLE, entry))

    def blocked(self, begin: float, end: float, subject: int, **fields: int) -> None:
        """Add the record of a blocked step that ended."""
        entry = {
            "kind": SampleKind.BLOCKED,
            "begin": tick(begin),
            "since": tick(begin),
            "at": tick(end),
            "subject": subject,
            "step_kind": Kind.TASK,
        }
        self._samples.append(_pack(layout.SAMPLE, entry | fields))

    def pool(
        self,
        kind: str,
        workers: int,
        *,
        opened: float,
        name: str = "a worker",
        **fields: int | float,
    ) -> int:
        """Add a pool and return its number; times are in seconds."""
        number = len(self._pools) + 1
        entry: dict[str, Any] = {
            "state": kinds.POOL_CLOSED if "closed" in fields else kinds.POOL_OPEN,
            "kind": self.text(kind),
            "name": self.text(name),
            "workers": workers,
            "number": number,
            "opened": moment(opened),
        } | fields
        if "closed" in fields:
            entry["closed"] = moment(fields["closed"])
        for name in ("waited", "out", "inside", "back", "longest", "cpu"):
            entry[name] = round(entry.get(name, 0) * 1e9)
        self._pools.append(_pack(layout.POOL, entry))
        return number

    def call(self, pool: int, *times: float, worker: str = "", **fields: int) -> None:
        """Add a call; `times` are when it was queued, sent, begun, ended, received; 0: never."""
        names = ("queued", "sent", "began", "ended", "received")
        entry: dict[str, Any] = {"pool": pool, "state": kinds.CALL_DONE} | fields
        entry |= {name: at and moment(at) for name, at in zip(names, times, strict=False)}
        entry["worker"] = self.text(worker) if worker else 0
        self._calls.append(_pack(layout.CALL, entry))

    def build(self) -> bytes:
        """Return the recording's bytes."""
        sections = {
            "text": (bytes(self._text), 1, len(self._text)),
            "sites": (b"".join(self._sites), layout.SITE.size, len(self._sites)),
            "tasks": (b"".join(self._tasks), layout.TASK.size, len(self._tasks)),
            "threads": (b"".join(self._threads), layout.THREAD.size, len(self._threads)),
            "loops": (b"".join(self._loops), layout.LOOP.size, len(self._loops)),
            "pools": (b"".join(self._pools), layout.POOL.size, len(self._pools)),
            "workers": (b"".join(self._workers), layout.WORKER.size, len(self._workers)),
            "history": (*_ring(self._history, 16, layout.HISTORY),),
            "samples": (*_ring(self._samples, self._sample_count, layout.SAMPLE),),
            "events": (*_ring(self._events, self._event_count, layout.EVENT),),
            "calls": (*_ring(self._calls, self._call_count, layout.CALL),),
        }
        header = {
            "magic": layout.MAGIC,
            "version": layout.VERSION,
            "header_size": layout.HEADER_SIZE,
            "started_ns": STARTED_NS,
            "started_ticks": STARTED_TICKS,
            "text_used": len(self._text),
            "sites_used": len(self._sites),
            "tasks_used": len(self._tasks),
            "tasks_born": len(self._tasks),
            "loops_used": len(self._loops),
            "history_head": len(self._history),
            "samples_head": len(self._samples),
            "pools_used": len(self._pools),
            "events_head": len(self._events),
            "calls_head": len(self._calls),
        } | self.header
        body = b""
        for name, (data, _, count) in sections.items():
            header[f"{name}_offset"] = layout.HEADER_SIZE + len(body)
            header["text_size" if name == "text" else f"{name}_count"] = count
            body += data + bytes(-len(data) % 64)
        header["size"] = layout.HEADER_SIZE + len(body)
        return _pack(layout.HEADER, header).ljust(layout.HEADER_SIZE, b"\0") + body


def _ring(entries: list[bytes], count: int, entry: layout.Layout) -> tuple[bytes, int, int]:
    slots = [bytes(entry.size)] * count
    for index, data in enumerate(entries):
        slots[index % count] = data
    return b"".join(slots), entry.size, count


_MOMENTS_OF_THREADS = ("opened", "closed", "running_since", "begin", "waiting_since", "returned")


def _in_ticks(fields: dict[str, Any]) -> dict[str, Any]:
    """Return fields with durations, given in seconds, in ticks."""
    durations = {"busy", "delay", "longest", "ran", "idle", "gil_waited", "gil_longest"}
    return {name: ticks(value) if name in durations else value for name, value in fields.items()}


def _pack(entry: layout.Layout, fields: dict[str, Any]) -> bytes:
    unknown = fields.keys() - set(entry.names)
    if unknown:
        raise TypeError(f"{entry.name} has no fields {sorted(unknown)}, only {entry.names}")
    return entry.struct.pack(*(fields.get(name, 0) for name in entry.names))
