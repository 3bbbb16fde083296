"""Objects of which nothing may be asked so that they can be recorded, and what was asked."""

from __future__ import annotations

from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import fournil
from fournil.observe.recording.live import snapshot
from fournil.observe.recording.model import Recording
from fournil.observe.recording.reading import read_file

asked: list[str] = []
"""What was asked of an object: nothing may be."""

ran: list[str] = []
"""What ran."""


class Recorded:
    def __init__(self, path: Path) -> None:
        self.path = path

    def run(self, main: Coroutine[Any, Any, Any]) -> Recording:
        with fournil.Recorder(self.path, size=2 << 20):
            fournil.run(main)
        return snapshot(read_file(str(self.path)))


def names(recording: Recording) -> set[str]:
    return {site.function for site in recording.sites.values() if site.steps or site.tasks}


class Runs:
    def __call__(self, *args: object) -> None:
        ran.append(type.__getattribute__(type(self), "__name__"))


class HasNoIdentity(Runs):
    def __hash__(self) -> int:
        asked.append("hash")
        raise ValueError

    def __eq__(self, other: object) -> bool:
        asked.append("==")
        raise ValueError

    def __bool__(self) -> bool:
        asked.append("bool")
        raise ValueError

    def __repr__(self) -> str:
        asked.append("repr")
        raise ValueError


class OddString(str):
    __slots__ = ()

    def encode(self, *args: Any) -> bytes:
        asked.append("encode")
        raise ValueError

    def __hash__(self) -> int:
        asked.append("hash")
        return 1

    def __eq__(self, other: object) -> bool:
        asked.append("==")
        return False

    def __str__(self) -> str:
        asked.append("str")
        return "no"
