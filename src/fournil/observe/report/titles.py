"""What a report calls a program, and each of its processes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from fournil.observe.recording.model import Meta, Recording

NUMBERS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Process:
    """A process of a program."""

    pid: int
    parent: int | None  # None: it is the first
    name: str
    recording: Recording


@dataclass(frozen=True, slots=True)
class Alike:
    """Processes of a program that ran the same, or one."""

    title: str
    processes: tuple[Process, ...]  # in the order in which they began


WITH_VALUE = frozenset({"-W", "-X", "--check-hash-based-pycs"})
"""Options of the interpreter whose value may be the next word."""


def title_of(meta: Meta) -> str:
    """Return how a person would call the program: by its file, or as `-m module` or `-c`."""
    if meta.main:
        return PurePath(meta.main).name
    if meta.module:
        return f"-m {meta.module}"
    words = iter(meta.argv[1:])
    for word in words:
        if word == "-m":
            return f"-m {next(words, '')}"
        if word == "-":
            return "standard input"
        if word in WITH_VALUE:
            next(words, "")
            continue
        if word == "-c" or not word.startswith("-"):
            return PurePath(word).name
    return ""


def kinds(recordings: Sequence[Recording]) -> list[Alike]:
    """Return the processes of a program, those alike together."""
    groups: dict[object, list[Process]] = {}
    titles: dict[object, str] = {}
    for number, recording in enumerate(recordings):
        meta = recording.meta
        # The first process is none of its own workers, which it may have forked.
        key = (number == 0, title_of(meta), NUMBERS.sub("", " ".join(meta.argv)))
        process = Process(recording.pid, meta.parent, meta.process or "", recording)
        groups.setdefault(key, []).append(process)
        titles[key] = title_of(meta) or f"process {recording.pid}"
    return [Alike(titles[key], tuple(processes)) for key, processes in groups.items()]
