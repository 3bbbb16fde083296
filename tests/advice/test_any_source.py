"""Whatever the source, advice on any of its lines is given, and its edits leave Python."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

from fournil.evidence.classify import Blocker
from fournil.evidence.stacks import Frame
from fournil.observe.advice.context import look_at
from fournil.observe.advice.edits import apply
from fournil.observe.advice.program import Sources
from fournil.observe.advice.sentence import say
from fournil.record.kinds import Kind
from tests.observe.samples import empty
from tests.observe.test_advice import group_of

MODULES = ("calendar", "heapq", "queue", "shutil", "statistics", "textwrap")
"""Of the standard library; what is known there of threads is theirs, not asyncio's."""

EVERY = 7
"""Each so many lines one is looked at."""


def text_of(module: str) -> str:
    return Path(ast.__file__).with_name(f"{module}.py").read_text()


def frames_in(text: str) -> Iterator[Frame]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for line in range(node.lineno, (node.end_lineno or 0) + 1, EVERY):
                yield Frame("/srv/app.py", line, node.name)


def with_coroutines(text: str) -> str:
    """Return a text in which all functions are coroutines that may be."""
    tree = ast.parse(text)
    lines = text.splitlines(keepends=True)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            line = lines[node.lineno - 1]
            lines[node.lineno - 1] = line.replace("def ", "async def ", 1)
    changed = "".join(lines)
    try:
        compile(changed, "changed", "exec")
    except SyntaxError:
        return text
    return changed


@functools.cache
def texts() -> dict[str, str]:
    plain = {module: text_of(module) for module in MODULES}
    return plain | {f"async {name}": with_coroutines(text) for name, text in plain.items()}


@pytest.mark.parametrize("kind", [Kind.TASK, Kind.TIMER])
@pytest.mark.parametrize("blocker", list(Blocker))
def test_edits_of_any_line_leave_python(blocker: Blocker, kind: Kind) -> None:
    edited = 0
    for text in texts().values():
        sources = Sources({"/srv/app.py": text}.__getitem__)
        for frame in frames_in(text):
            context = look_at(group_of(blocker, [frame], kind=kind), empty(), sources)
            assert context
            said = say(context)
            assert said.text.endswith((".", ":")), said.text
            if said.edits:
                ast.parse(apply(text, said.edits), f"{frame}")
                edited += 1
    # What the collector or the machine takes is no line's doing.
    assert edited > 10 or blocker in {Blocker.GC, Blocker.STARVED}
