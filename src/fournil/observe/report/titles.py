"""What a report calls a program, and each of its processes."""

from __future__ import annotations

from pathlib import PurePath

from fournil.observe.recording.model import Meta


def title_of(meta: Meta) -> str:
    """Return how a person would call the program: by its file, or as `-m module` or `-c`."""
    if meta.main:
        return PurePath(meta.main).name
    words = iter(meta.argv[1:])
    for word in words:
        if word == "-m":
            return f"-m {next(words, '')}"
        if word == "-":
            return "standard input"
        if word == "-c" or not word.startswith("-"):
            return PurePath(word).name
    return ""
