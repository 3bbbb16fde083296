"""What the watch saw of a thread: its looks, and how the thread gave up the GIL."""

from __future__ import annotations

from typing import NamedTuple

from fournil.evidence.stacks import Frame


class Look(NamedTuple):
    """The watch looked at a blocked step; the look stands for the time since the last one."""

    at: int  # tick
    since: int  # tick
    evidence: int  # kinds.SAW_*
    ask: int  # the number of the request for the GIL that was open, 0: none
    frames: tuple[Frame, ...]  # the frames inside the step, innermost first
    own: Frame | None  # the innermost frame of the user's own code, or just the innermost
    wanted: int = 0  # for how many ticks since the last one the thread wanted a CPU and had none
    collection: Collection | None = None  # that ran


class Collection(NamedTuple):
    """A collection of garbage."""

    generation: int
    objects: int  # how many there were to look through, about; 0: not known


class HolderLook(NamedTuple):
    """The watch looked at the thread that had the GIL for which a loop waited."""

    at: int  # tick
    since: int  # tick
    evidence: int  # kinds.SAW_*
    native_id: int  # of the thread that had it
    frames: tuple[Frame, ...]  # innermost first
    own: Frame | None  # the innermost frame of the user's own code, or just the innermost
    wanted: int = 0  # for how many ticks since the last one it wanted a CPU and had none
    collection: Collection | None = None


class Answer(NamedTuple):
    """How a thread gave up the GIL that it had been asked for."""

    used_ns: int  # the CPU time that it used from the request until then
    told_ns: int = 0  # of that, what it used after it was told, as far as is known
    waited_ns: int = 0  # how long the one who asked had to wait for a CPU meanwhile
    over: bool = False  # it kept the GIL until its step had ended
    since: int = 0  # tick of the request
    took_ns: int = 0  # how long the request was open, by the wall clock


def weight(look: Look | HolderLook) -> int:
    """Return for how many ticks a look stands."""
    return max(0, look.at - look.since)
