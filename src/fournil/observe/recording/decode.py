"""Raw sections become values: here, in `decode_samples`, `events` and `tasks`. Pure.

It is lenient with what it is given. `reading` has checked where the sections are. What their
entries refer to may still be missing, since names that found no room are dropped and slots may be
read half-written; a reference that leads nowhere becomes `?` and never an error.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from fournil.observe.recording.lag import Lag, lag_of_turns, turns_of_buckets
from fournil.observe.recording.model import (
    Caller,
    Code,
    End,
    Meta,
    Pool,
    PoolCall,
    RunningStep,
    Second,
    Site,
    Thread,
    Worker,
)
from fournil.observe.recording.unseen import Unseen
from fournil.record import kinds, layout
from fournil.record.units import Clock, unpack_ticks

MISSING = "?"
MOST_CORES = 1 << 20
_LENGTH = struct.Struct("<I")

Key = tuple[int, int]
"""A step: its thread's index and its begin in ticks."""


class Text:
    """The strings of a recording, by the references that entries hold."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = data

    def at(self, reference: int, missing: str = MISSING) -> str:
        """Return the string at a reference: its length in bytes stands before it."""
        if not 0 < reference <= len(self.data) - _LENGTH.size:
            return missing
        start = reference + _LENGTH.size
        (length,) = _LENGTH.unpack_from(self.data, reference)
        if length > len(self.data) - start:
            return missing
        # File names may be any bytes; `surrogateescape` is how Python keeps them.
        return self.data[start : start + length].decode("utf-8", "surrogateescape")


# The header.


RATED_NS = 100_000_000
"""Readings of a clock that lie so far apart give its rate, whatever came in between."""


def clock(header: Mapping[str, Any], longer: Clock | None = None) -> Clock:
    """Return what turns the recording's ticks into seconds.

    Args:
        header: the recording's.
        longer: the clock of another one of the same machine, which this one's process may not have
            lived long enough for.
    """
    start = header["started_ns"], header["started_ticks"]
    own = Clock(start, (header["clock_ns"], header["clock_ticks"]))
    if longer is not None and header["clock_ns"] - header["started_ns"] < RATED_NS:
        own.ns_per_tick = longer.ns_per_tick
    return own


def unseen(header: Mapping[str, Any], **others: int) -> Unseen:
    """Return what found no room; by name what was overwritten, and steps that are not told."""
    return Unseen(
        **others,
        texts=header["text_dropped"],
        sites=header["sites_dropped"],
        tasks=header["tasks_dropped"],
        loops=header["loops_dropped"],
        closed_loops=header["loops_recycled"],
        pools=header["pools_dropped"],
        closed_pools=header["pools_recycled"],
        threads=header["threads_dropped"],
        workers=header["workers_dropped"],
        forks=header["forks"],
        signal_lost=header["watch_signal_lost"],
        unanswered=header["watch_unanswered"],
        watch_error=header["watch_error"],
    )


def serving_tick(header: Mapping[str, Any]) -> int:
    """Return when the first connection was accepted, or else a server began to listen; 0: none.

    Of a server that listened before the recording began, nobody knows when that was.
    """
    return int(
        header["listening_ticks"] and (header["accepted_ticks"] or header["listening_ticks"])
    )


def end(how: int, code: int) -> End | None:
    """Return what the header says of the process's end."""
    if not how & (kinds.END_EXITED | kinds.END_KILLED | kinds.END_REPLACED):
        return None
    return End(
        status=code if how & kinds.END_EXITED else None,
        signal=code if how & kinds.END_KILLED else None,
        replaced=bool(how & kinds.END_REPLACED),
    )


def meta(text: str) -> Meta:
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

    cores, parent = said.get("cores"), said.get("parent")
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
        module=string("module") or None,
        mine=strings(said.get("mine")),
        parent=parent if type(parent) is int else None,
        process=string("process") or None,
        is_forked=said.get("forked") is True,
    )


# Slots.


def codes(data: bytes, text: Text) -> dict[int, Code]:
    """Return the code of each site."""
    return {
        index: Code(
            index,
            text.at(entry["function"]),
            text.at(entry["file"], ""),
            entry["line"],
            bool(entry["flags"] & kinds.SITE_COROUTINE),
        )
        for index, entry in enumerate(each_entry(data, layout.SITE))
        if index or entry["steps"] or entry["tasks"]
    }


def sites(data: bytes, codes: Mapping[int, Code], clock: Clock) -> dict[int, Site]:
    """Return the sites with their totals."""
    return {
        index: _site(codes[index], entry, clock)
        for index, entry in enumerate(each_entry(data, layout.SITE))
        if index in codes
    }


def _site(code: Code, entry: Mapping[str, Any], clock: Clock) -> Site:
    return Site(
        index=code.index,
        function=code.function,
        file=code.file,
        line=code.line,
        is_coroutine=code.is_coroutine,
        tasks=entry["tasks"],
        ended=entry["ended"],
        steps=entry["steps"],
        busy_s=clock.duration(entry["busy"]),
        delay_s=clock.duration(entry["delay"]),
        longest_s=clock.duration(entry["longest"]),
        never_awaited=entry["never_awaited"],
        never_retrieved=entry["never_retrieved"],
    )


def last_tick_of_threads(data: bytes) -> int:
    """Return the last moment that the slots of threads tell of; 0: none."""
    names = ("opened", "closed", "begin", "waiting_since", "returned")
    entries = [entry for entry in each_entry(data, layout.THREAD) if entry["sequence"]]
    return max((entry[name] for entry in entries for name in names), default=0)


def threads(
    data: bytes,
    loops: bytes,
    text: Text,
    clock: Clock,
    last_tick: int,
    looked_at: Collection[Key],
) -> dict[int, Thread]:
    """Return the loops, and the main thread without one.

    Args:
        data: whole entries.
        loops: whole entries, of which each belongs to the thread of the same index.
        text: has their names.
        clock: turns their ticks into seconds.
        last_tick: until when what runs has run.
        looked_at: the steps that the watch looked at.
    """
    pairs = zip(each_entry(data, layout.THREAD), each_entry(loops, layout.LOOP), strict=False)
    return {
        index: _thread(index, loop | thread, text, clock, last_tick, looked_at)
        for index, (thread, loop) in enumerate(pairs)
        if thread["sequence"]
        and thread["sequence"] == loop["sequence"]
        and thread["state"] in (kinds.THREAD_LOOP, kinds.THREAD_SCRIPT, kinds.THREAD_CLOSED)
    }


def _thread(
    index: int,
    entry: Mapping[str, Any],
    text: Text,
    clock: Clock,
    last_tick: int,
    looked_at: Collection[Key],
) -> Thread:
    duration = clock.duration

    def until_now(since: int) -> int:
        return max(0, last_tick - since) if since else 0

    running = None
    turns = turns_of_buckets(entry["turns"], max(entry["longest"], entry["longest_turn"]))
    if entry["begin"]:
        running = RunningStep(entry["begin"], entry["subject"], entry["kind"])
        if (index, entry["begin"]) in looked_at:
            # The turn that does not end is in no histogram.
            turns.append((float(until_now(entry["begin"])), 1))
    ran = entry["ran"] + until_now(entry["running_since"])
    idle, gil_waited = entry["idle"], entry["gil_waited"]
    if entry["returned"] > entry["waiting_since"] > 0:
        # The kernel's wait has ended, and the thread still waits for the GIL.
        idle += entry["returned"] - entry["waiting_since"]
        gil_waited += until_now(entry["returned"])
        turns.append((float(until_now(entry["returned"])), 1))
    else:
        idle += until_now(entry["waiting_since"])
    is_script = entry["state"] == kinds.THREAD_SCRIPT
    return Thread(
        index=index,
        number=0 if is_script else entry["number"],
        name=text.at(entry["name"], "MainThread" if is_script else ""),
        native_id=entry["native_id"],
        closed=entry["state"] == kinds.THREAD_CLOSED,
        opened_s=clock.seconds(entry["opened"]),
        ran_s=duration(ran),
        idle_s=duration(min(idle, ran)),
        gil_wait_s=duration(min(gil_waited, ran)),
        gil_longest_s=duration(entry["gil_longest"]),
        pending=entry["pending"],
        in_steps_s=duration(entry["busy"]),
        steps=entry["steps"],
        polls=entry["polls"],
        blocked=entry["blocked"],
        longest_s=duration(entry["longest"]),
        lag=Lag(*(ticks * clock.ns_per_tick / 1e9 for ticks in lag_of_turns(turns, ran))),
        running=running,
    )


def callers(data: bytes, text: Text) -> dict[int, Caller]:
    """Return the threads that run calls, and are watched meanwhile."""
    return {
        index: Caller(
            text.at(entry["name"]),
            entry["native_id"],
            RunningStep(entry["begin"], entry["subject"], entry["kind"])
            if entry["begin"]
            else None,
        )
        for index, entry in enumerate(each_entry(data, layout.THREAD))
        if entry["sequence"] and entry["state"] == kinds.THREAD_CALLS
    }


def pools(data: bytes, text: Text, clock: Clock, last_tick: int) -> tuple[Pool, ...]:
    """Return the pools, in the order in which they were opened; times as of `threads`."""
    last_ns = clock.start_ns + clock.seconds(last_tick) * 1e9
    found = [
        _pool(entry, text, last_ns)
        for entry in each_entry(data, layout.POOL)
        if entry["number"] and entry["state"] in (kinds.POOL_OPEN, kinds.POOL_CLOSED)
    ]
    return tuple(sorted(found, key=lambda pool: pool.number))


def _pool(entry: Mapping[str, Any], text: Text, last_ns: float) -> Pool:
    return Pool(
        number=entry["number"],
        kind=text.at(entry["kind"]),
        name=text.at(entry["name"]),
        workers=entry["workers"],
        open_s=max(0.0, (entry["closed"] or last_ns) - entry["opened"]) / 1e9,
        is_open=entry["state"] == kinds.POOL_OPEN,
        **{name: entry[name] for name in _COUNTS_OF_POOLS},
        **{f"{name}_s": entry[name] / 1e9 for name in _TIMES_OF_POOLS},
    )


def workers(data: bytes, text: Text, clock: Clock) -> tuple[Worker, ...]:
    """Return the workers that began a call, of all pools."""
    return tuple(
        Worker(
            pool=entry["pool"],
            name=text.at(entry["name"]),
            site=entry["site"],
            calls=entry["call"],
            since_s=(entry["since"] - clock.start_ns) / 1e9 if entry["since"] else None,
        )
        for entry in each_entry(data, layout.WORKER)
        if entry["sequence"] and entry["pool"]
    )


_COUNTS_OF_POOLS = (
    "calls", "done", "raised", "cancelled", "abandoned", "died", "ran", "bytes_out", "bytes_back",
)  # fmt: skip
_MOMENTS_OF_CALLS = ("sent", "began", "ended", "received")
_TIMES_OF_POOLS = ("waited", "out", "inside", "back", "longest", "cpu")


# Rings.


def history(data: bytes, clock: Clock) -> tuple[Second, ...]:
    """Return the rows of the history, in the order in which they were written."""

    def duration(packed: int) -> float:
        return clock.duration(unpack_ticks(packed))

    return tuple(
        Second(
            loop=row["loop"],
            end_s=clock.seconds(row["at"]),
            lasted_s=duration(row["lasted"]),
            busy_s=duration(row["busy"]),
            gil_wait_s=duration(row["gil_waited"]),
            lag_p99_s=duration(row["lag_p99"]),
            lag_max_s=duration(row["lag_max"]),
            steps=row["steps"],
            pending=row["pending"],
            blocked=row["blocked"],
        )
        for row in each_entry(data, layout.HISTORY)
    )


def calls(data: bytes, text: Text, clock: Clock) -> tuple[PoolCall, ...]:
    """Return calls of pools, in the order in which they came to their ends."""
    start_ns = clock.start_ns

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
            worker=text.at(call["worker"]) if call["worker"] else None,
            pool=call["pool"],
            state=call["state"],
        )
        for call in each_entry(data, layout.CALL)
    )


def each_entry(data: bytes, entry: layout.Layout) -> Iterator[dict[str, Any]]:
    return (entry.unpack(data, offset) for offset in range(0, len(data), entry.size))
