"""What kept a step from running, or from being seen: pure data."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from fournil.evidence.stacks import Frame


class Lack(NamedTuple):
    """For how long a step could not run, although it wanted to."""

    wanted_s: float = 0.0  # it wanted a CPU and had none
    throttled_s: float = 0.0  # of that, a quota had stopped the process
    stopped_s: float = 0.0  # the process was stopped, or its machine stood still

    @property
    def total_s(self) -> float:
        return self.wanted_s + self.stopped_s

    def plus(self, other: Lack) -> Lack:
        return Lack(*(one + more for one, more in zip(self, other, strict=True)))


class Holder(NamedTuple):
    """The thread that had the GIL for which a loop waited."""

    name: str  # nothing: not known
    culprit: Frame  # where most of that time went, in the user's own code


class Unlooked(StrEnum):
    """Why the watch has seen nothing of a blocked step."""

    SHORT = "it ended before the watch could look"
    OVERWRITTEN = "what the watch saw of it was overwritten"
    BLIND = "the watch could not look at threads"
