"""The samples of a recording become values: what the watch and the loops wrote of blocked steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from fournil.evidence.looks import Answer, Collection
from fournil.observe.recording.decode import each_entry
from fournil.record import kinds, layout
from fournil.record.kinds import Kind, SampleKind
from fournil.record.units import Clock


class SampleOfLook(NamedTuple):
    """The watch looked at a step; times in ticks."""

    thread: int
    begin: int
    at: int
    since: int
    evidence: int
    ask: int
    stack: int  # text
    kind: int  # kinds.Kind: of the step
    wanted: int
    collection: Collection | None


class SampleOfHolder(NamedTuple):
    """The watch looked at the thread that had the GIL for which a loop waited; times in ticks."""

    thread: int  # of the loop
    begin: int  # of the step in which it waited, or of the wait itself
    at: int
    since: int
    evidence: int
    native_id: int
    stack: int  # text
    wanted: int
    collection: Collection | None


class SampleOfServed(NamedTuple):
    """It was found out what a step serves."""

    thread: int
    begin: int
    text: int


class SampleOfName(NamedTuple):
    """What a thread is called."""

    native_id: int
    name: int  # text


class SampleOfGilWait(NamedTuple):
    """A loop waited for the GIL between two steps; times in ticks."""

    thread: int
    begin: int
    end: int


class SampleOfLate(NamedTuple):
    """The watch wanted to look, and could not; times in ticks."""

    since: int
    at: int
    wanted_s: float  # of that, for how long it wanted a CPU
    throttled_s: float  # for how long a quota had stopped the process since the last such sample


class SampleOfAnswer(NamedTuple):
    """A thread gave up the GIL."""

    thread: int
    ask: int
    answer: Answer


class SampleOfEnd(NamedTuple):
    """A blocked step ended; times in ticks."""

    thread: int
    begin: int
    end: int
    delay: int
    subject: int
    kind: int
    site: int = 0
    cpu_s: float | None = None  # None: not known


Sample = (
    SampleOfLook
    | SampleOfAnswer
    | SampleOfEnd
    | SampleOfHolder
    | SampleOfName
    | SampleOfGilWait
    | SampleOfLate
    | SampleOfServed
)


def samples(data: bytes, clock: Clock) -> Iterator[Sample]:
    """Yield what the watch and the loops wrote of blocked steps."""
    for entry in each_entry(data, layout.SAMPLE):
        thread, kind = entry["thread"], entry["kind"]
        if kind == SampleKind.ASK:
            answer = Answer(
                used_ns=entry["number"],
                told_ns=entry["extra"] * 1000,
                waited_ns=int(entry["delay"] * clock.ns_per_tick),
                over=bool(entry["evidence"] & kinds.SAW_OVER),
                since=entry["since"],
                took_ns=int(max(0, entry["at"] - entry["since"]) * clock.ns_per_tick),
            )
            yield SampleOfAnswer(thread, entry["ask"], answer)
        elif kind == SampleKind.LOOK:
            yield SampleOfLook(
                thread,
                entry["begin"],
                entry["at"],
                entry["since"],
                entry["evidence"],
                entry["ask"],
                entry["stack"],
                entry["step_kind"],
                entry["delay"],
                _collection(entry),
            )
        elif kind == SampleKind.HOLDER:
            yield SampleOfHolder(
                thread,
                entry["begin"],
                entry["at"],
                entry["since"],
                entry["evidence"],
                entry["subject"],
                entry["stack"],
                entry["delay"],
                _collection(entry),
            )
        elif kind == SampleKind.SERVED:
            yield SampleOfServed(thread, entry["begin"], entry["stack"])
        elif kind == SampleKind.NAME:
            yield SampleOfName(entry["subject"], entry["stack"])
        elif kind == SampleKind.GIL_WAIT:
            yield SampleOfGilWait(thread, entry["begin"], entry["at"])
        elif kind == SampleKind.LATE:
            yield SampleOfLate(
                entry["since"], entry["at"], entry["number"] / 1e9, entry["extra"] / 1e6
            )
        elif kind == SampleKind.BLOCKED and entry["step_kind"] != Kind.SCRIPT:
            yield SampleOfEnd(
                thread,
                entry["begin"],
                entry["at"],
                entry["delay"],
                entry["subject"],
                entry["step_kind"],
                entry["extra"],
                entry["number"] / 1e9 if entry["number"] else None,
            )


def _collection(entry: Mapping[str, Any]) -> Collection | None:
    if not entry["generation"]:
        return None
    return Collection(entry["generation"] - 1, entry["number"])


def last_tick_of_samples(data: bytes) -> int:
    """Return when the last of some samples was taken; 0: there is none."""
    if not data:
        return 0
    return int(layout.SAMPLE.unpack(data, len(data) - layout.SAMPLE.size)["at"])
