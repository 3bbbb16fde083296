"""What a command line that a program starts would run, and the same under our eyes: pure.

A Python of ours, wherever it stands in the words, is told to run `start.py` in place of its
program, which then runs the program: on the command line and nowhere else, since the environment
may be cleared on the way, and shows to the child, as would a path that it imports from.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from fournil.launch.order import OPTIONS_THAT_END, OPTIONS_WITH_VALUE, START, Kind

Words = Sequence[str]

SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "ash", "fish", "busybox"})

WRAPPERS = frozenset(
    {"chrt", "env", "ionice", "nice", "nohup", "setarch", "setsid", "stdbuf", "taskset", "timeout"}
)
"""Programs that run what the rest of their words say, as it stands there."""

PYTHON = re.compile(r"(?:python|pypy)[\d.]*t?")
PYTHON_IN_TEXT = re.compile(r"(?:^|[\s/;|&(\"'`])(?:python|pypy)[\d.]*(?=$|[\s;|&)\"'`])")

WITHOUT_PROGRAM = "Vh?"
"""Options with which an interpreter runs nothing."""

SKIPS_A_LINE = "x"
"""The option that has the first line of a script passed over, which would be one of ours."""

HELPERS = ("from multiprocessing.resource_tracker import main", "from fournil._worker import")
"""In code of processes that serve their parent alone: those are followed as a part of it."""


class PythonCommand(NamedTuple):
    """A command line of Python that runs a program."""

    before: int  # so many words name the interpreter and its options
    flag: str | None  # an option of its own, cut from a word that goes on with `-m` or `-c`
    attached: str  # the word up to the program's option, and `=` where the program is in it too
    kind: Kind
    target: str
    arguments: int  # the first word that is an argument of the program

    def is_own(self) -> bool:
        """Tell whether it is a helper, or is followed by itself."""
        if self.kind == "module":
            return self.target == "fournil"
        return self.kind == "code" and any(helper in self.target for helper in HELPERS)


def read(words: Words) -> PythonCommand | None:
    """Return what a command line of Python runs; None: nothing that can be followed.

    >>> read(["python", "-uX", "dev", "app.py", "-x"])
    PythonCommand(before=3, flag=None, attached='', kind='script', target='app.py', arguments=4)
    >>> read(["python", "-Om", "shop", "-x"])
    PythonCommand(before=1, flag='-O', attached='-Om', kind='module', target='shop', arguments=3)
    """
    at = 1
    while at < len(words):
        word = words[at]
        if word == "--":
            if at + 1 == len(words):
                return None
            return PythonCommand(at, None, "", "script", words[at + 1], at + 2)
        if word == "-" or not word.startswith("-"):
            kind: Kind = "stdin" if word == "-" else "script"
            return PythonCommand(at, None, "", kind, word, at + 1)
        if word.startswith("--"):
            if word != "--check-hash-based-pycs":
                return None
            at += 2
            continue
        for position, letter in enumerate(word[1:], 1):
            if letter in WITHOUT_PROGRAM or letter == SKIPS_A_LINE:
                return None
            if letter in OPTIONS_THAT_END:
                rest = word[position + 1 :]
                if not rest and at + 1 == len(words):
                    return None
                flag = word[:position] if position > 1 else None
                return PythonCommand(
                    before=at,
                    flag=flag,
                    attached=word[: position + 1] + "=" * bool(rest) if flag or rest else "",
                    kind="module" if letter == "m" else "code",
                    target=rest or words[at + 1],
                    arguments=at + (1 if rest else 2),
                )
            if letter in OPTIONS_WITH_VALUE:
                at += not word[position + 1 :]
                break
        at += 1
    return None


def followed(words: Words, command: PythonCommand, order: str) -> list[str]:
    """Return a command line of Python that runs the same under our eyes.

    Args:
        words: as they were given.
        command: what `read` says of them.
        order: the first word for `start.py`.
    """
    flags = [command.flag] if command.flag else []
    before = words[: command.before]
    return [*before, *flags, START, order, command.target, *words[command.arguments :]]


def find_python(words: Words, is_ours: Callable[[str], bool]) -> int | None:
    """Return which word of a wrapper's is the Python that it runs; None: there is none of ours."""
    if not words or os.path.basename(words[0]) not in WRAPPERS:
        return None
    for at, word in enumerate(words[1:], 1):
        if "=" not in word and PYTHON.fullmatch(os.path.basename(word)):
            return at if is_ours(word) else None
        if os.path.basename(word) in SHELLS:
            return None
    return None


def runs_python(words: Words) -> bool:
    """Tell whether a command line that is not followed looks as if it ran a Python."""
    if not words:
        return False
    name = os.path.basename(words[0])
    if PYTHON.fullmatch(name):
        command = read(words)
        return command is not None and not command.is_own()
    if name in WRAPPERS:
        return any(PYTHON.fullmatch(os.path.basename(word)) for word in words[1:])
    return name in SHELLS and any(PYTHON_IN_TEXT.search(word) for word in words[1:])
