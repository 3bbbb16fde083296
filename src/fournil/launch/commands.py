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


class Wrapper(NamedTuple):
    """A program that runs what the rest of its words say, as it stands there."""

    flags: str = ""  # options without a value, of one letter
    valued: str = ""  # options with one
    long_flags: tuple[str, ...] = ()
    long_valued: tuple[str, ...] = ()
    operands: int = 0  # words of its own before the program


WRAPPERS = {
    "env": Wrapper("", "uC", (), ("--unset", "--chdir")),
    "nice": Wrapper("", "n", (), ("--adjustment",)),
    "nohup": Wrapper(),
    "setsid": Wrapper("cfw", "", ("--ctty", "--fork", "--wait")),
    "stdbuf": Wrapper("", "ioe", (), ("--input", "--output", "--error")),
    "timeout": Wrapper(
        "v", "ks", ("--foreground", "--preserve-status"), ("--kill-after", "--signal"), 1
    ),
}
"""By name. Of a word that is none of theirs, nobody knows whether the next is its value."""

PYTHON = re.compile(r"(?:python|pypy)[\d.]*t?")
PYTHON_IN_TEXT = re.compile(r"(?:^|[\s/;|&(\"'`])(?:python|pypy)[\d.]*(?=$|[\s;|&)\"'`])")

WITHOUT_PROGRAM = "Vh?"
"""Options with which an interpreter runs nothing."""

SKIPS_A_LINE = "x"
"""The option that has the first line of a script passed over, which would be one of ours."""

HELPERS = (
    "from multiprocessing.resource_tracker import main",
    "from fournil._worker.starting import",
)
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
            return None  # a program may look for it in `sys.orig_argv`
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
    """Return which word of a wrapper's is the Python that it runs; None: there is none of ours.

    >>> find_python(["timeout", "-k", "1", "5", "python3", "app.py"], lambda word: True)
    4
    >>> find_python(["timeout", "5", "grep", "python", "log.txt"], lambda word: True)
    """
    at = _wrapped(words)
    if at is None or not PYTHON.fullmatch(os.path.basename(words[at])):
        return None
    return at if is_ours(words[at]) else None


def _wrapped(words: Words) -> int | None:
    """Return which word names what a wrapper runs; None: it is none, or that is not sure."""
    name = os.path.basename(words[0]) if words else ""
    wrapper = WRAPPERS.get(name)
    if wrapper is None:
        return None
    operands = wrapper.operands
    is_cleared = False  # what is looked for on the path is then looked for on another
    at = 1
    while at < len(words):
        word = words[at]
        at += 1
        if name == "env" and word in ("-", "-i", "--ignore-environment"):
            is_cleared = True
        elif name == "env" and "=" in word and not word.startswith("-"):
            is_cleared |= word.startswith("PATH=")
        elif word.startswith("--"):
            option, is_attached, _ = word.partition("=")
            if option in wrapper.long_valued:
                at += not is_attached
            elif option not in wrapper.long_flags:
                return None
        elif word.startswith("-"):
            if word[1:2] and word[1] in wrapper.valued:
                at += len(word) == 2
            elif not word[1:] or set(word[1:]) - set(wrapper.flags):
                return None
        elif operands:
            operands -= 1
        else:
            return None if is_cleared and "/" not in word else at - 1
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
        at = _wrapped(words)
        cleared = name == "env" and any(PYTHON.fullmatch(word) for word in words[1:4])
        return cleared if at is None else bool(PYTHON.fullmatch(os.path.basename(words[at])))
    return name in SHELLS and any(PYTHON_IN_TEXT.search(word) for word in words[1:])
