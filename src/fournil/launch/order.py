"""What the supervisor tells the program's process, and how it gets there: on its command line.

A command line, since an environment variable or an open file would reach the program's own
children.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Literal, NamedTuple, Self

Kind = Literal["script", "module", "code", "stdin"]

START = os.path.join(os.path.dirname(os.path.abspath(__file__)), "start.py")

BAD_INPUT, CANNOT_RUN = 2, 126
"""With these the program's process ends when it has said why it cannot be recorded, or run."""

NO_PROGRAM = frozenset({1, 2})
"""With one of these Python ends when there is no program."""

OPTIONS_WITH_VALUE = "WX"
OPTIONS_THAT_END = "cm"


class Order(NamedTuple):
    """What to run, and how to record it."""

    kind: Kind
    target: str  # a path, a module's name, source code, or "-"
    recording: str  # the file to record into
    # The recording is moved there once the program was found, over an earlier recording; ""
    # leaves it where it is.
    final: str
    threshold: float  # seconds
    size: int  # of the recording, bytes
    program: str = ""  # what the recordings of all its processes say; "" follows no children
    children: str = ""  # where children record: a path with `%p` in it
    notes: str = ""  # the folder where it is noted what was not seen
    main: str = ""  # the program's main file
    module: str = ""  # or its name as a module
    is_child: bool = False
    was_forked: bool = False  # before its command line was run
    attached: str = ""  # PythonCommand.attached, of its command line
    mine: tuple[str, ...] = ()  # packages that count as the user's own

    def of_child(self, **changes: str | bool) -> str:
        """Return the first word for `start.py` of a child's process."""
        return json.dumps(self._replace(target="", is_child=True, **changes))  # type: ignore[arg-type]

    def words(self) -> list[str]:
        """Return the words by which `python` would be told to run the program."""
        match self.kind:
            case "module" | "code" if self.attached:
                option = self.attached.removesuffix("=")
                together = self.attached != option
                return [option + self.target] if together else [option, self.target]
            case "module":
                return ["-m", self.target]
            case "code":
                return ["-c", self.target]
            case _:
                return [self.target]

    def command(self, executable: str, flags: Sequence[str], arguments: Sequence[str]) -> list[str]:
        """Return the command line of the program's process."""
        # The target stays a word of its own: in JSON, source code could outgrow what a word
        # may have, and who looks for a program by its name reads command lines.
        rest = json.dumps(self._replace(target=""))
        return [executable, *flags, START, rest, self.target, *arguments]

    @classmethod
    def parse(cls, rest: str, target: str) -> Self:
        """Return the order of which `command` put two words into a command line."""
        order = cls(*json.loads(rest))
        return order._replace(target=target, mine=tuple(order.mine))


def interpreter_flags(command: Sequence[str]) -> list[str]:
    """Return the interpreter's own options at the begin of a command line, as they are given.

    `sys.flags` does not hold all of them: `-u` and `-R` leave no trace there.

    >>> interpreter_flags(["python", "-uXdev", "-W", "error", "-um", "fournil", "-O"])
    ['-uXdev', '-W', 'error', '-u']
    """
    flags: list[str] = []
    words = iter(command[1:])
    for word in words:
        if not word.startswith("-") or word in {"-", "--"}:
            break
        if word.startswith("--"):
            flags += [word, next(words, "")]
            continue
        for position, letter in enumerate(word):
            if letter in OPTIONS_THAT_END:
                return flags + [word[:position]] * (position > 1)
            if letter in OPTIONS_WITH_VALUE:
                flags += [word] if word[position + 1 :] else [word, next(words, "")]
                break
        else:
            flags.append(word)
    return flags
