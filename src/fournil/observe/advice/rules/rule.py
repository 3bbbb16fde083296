"""What a rule of advice is.

To add one, write a `Rule` into the file of its subject beside this one: when it applies, what it
says, the code that it writes, and the programs in which it is tried. `tests/advice` runs each of
these programs, makes the rule's edits, runs it again, and compares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fournil.evidence.classify import Blocker

WAITING, PYTHON = Blocker.WAITING, Blocker.PYTHON
NATIVE, NATIVE_GIL = Blocker.NATIVE, Blocker.NATIVE_GIL
GC, STARVED = Blocker.GC, Blocker.STARVED
COMPUTING = (PYTHON, NATIVE, NATIVE_GIL)
KEEPS_GIL = (PYTHON, NATIVE_GIL)

To = Literal["thread", "process", "await", "code"]
"""Where the work goes; `code`: nowhere, the code itself is to change."""

Situation = Literal[
    "",
    "import",
    "imported",
    "no line",
    "destructor",
    "signal handler",
    "containers",
    "comprehension",
    "awaited",
]


@dataclass(frozen=True, slots=True)
class Trial:
    """A program in which a rule is tried.

    Attributes:
        program: the text of a module with `async def main()`, which returns what it has found
            out, and with `# blocks` on the line that the rule is about.
        mended: the same by hand, as the sentence says; empty: the rule's own edits are made.
    """

    program: str
    mended: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When it applies: to one of the classes, and to the situation, the calls or the frames.

    A rule without calls and without frames applies to all that is left.

    Attributes:
        name: what the rule is called in JSON and in tests.
        to: where the work goes.
        blockers: the classes that it is about.
        situation: what is special about the place. Of these, `containers` (the line only makes
            lists and the like), `comprehension` (it makes many small objects) and `awaited` (it
            was in a library's coroutine) are left to the other rules that name calls or frames.
        calls: pattern of the whole name of what the line calls, as assignments and imports tell
            (`re.compile().match`), or as it is written there (`PATTERN.match`).
        inside: pattern of a library's frame inside the user's line, as `module:function`.
        called: pattern of the innermost function of all.
        around: pattern of a library's frame between that line and the one that may await.
        imports: it was in an import, inside what the line calls.
        gil: another thread held the GIL.
        why: what it was; `{call}` stands for the call as it is written.
        how: what to write, where it can be written: `{code}`.
        instead: what is known to help, where it cannot.
        template: what takes the call's place, in place of `to_thread` or `to_process`; see
            `moves.filled`.
        define: a function that the template calls, `{work}`.
        needs: the modules that these two use.
        apart: what it uses belongs to its thread, and is made again where the work goes.
        result: `large`: to send it back costs as much as the work; `stays`: it cannot be sent;
            `wide`: where only a part of it is used, that part alone is sent.
        returned: what is sent in place of a result that stays, called `found`.
        changes: it changes what it is called of, or its argument.
        costly: its argument costs as much to send as the work.
        turns: what is waited for may answer one at a time, as a server or a lock does.
        all_cores: it may use all cores by itself, as linear algebra does.
        tried: programs in which it is tried.
    """

    name: str
    to: To
    blockers: tuple[Blocker, ...] = tuple(Blocker)
    situation: Situation = ""
    calls: str = ""
    inside: str = ""
    called: str = ""
    around: str = ""
    imports: bool = False
    gil: bool = False
    why: str
    how: str = "{code}."
    instead: str = ""
    template: str = ""
    define: str = ""
    needs: tuple[str, ...] = ()
    apart: bool = False
    result: Literal["", "large", "stays", "wide"] = ""
    returned: str = ""
    changes: bool = False
    costly: bool = False
    turns: bool = False
    all_cores: bool = False
    tried: tuple[Trial, ...] = ()
