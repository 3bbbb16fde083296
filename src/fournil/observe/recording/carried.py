"""Code that was carried to another process by cloudpickle, told by the file that it came from.

Dask and its like send functions of `__main__`, and lambdas, by value. Since cloudpickle 3.1 they
arrive without their file's name. The program's main file is told in its place where the source
has such a function around that line.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace

from fournil.evidence.ownership import CARRIED
from fournil.evidence.stacks import Frame, plain_name
from fournil.observe.recording.model import BlockedStep, Recording

LAMBDA = "<lambda>"

Source = Callable[[str], str]


def located(recording: Recording, source: Source) -> Recording:
    """Return a recording with the file of code that was carried to its process.

    Args:
        recording: of a process.
        source: returns the text of a file, or nothing where it cannot be read.
    """
    main = recording.meta.main
    if not main or not any(_is_carried(step) for step in recording.blocked):
        return recording
    found = _functions(source(main))

    def place(frame: Frame) -> Frame:
        name = plain_name(frame.function)
        if frame.file != CARRIED or not any(
            name == function and frame.line in lines for function, lines in found
        ):
            return frame
        return frame._replace(file=main)

    def step_with_places(step: BlockedStep) -> BlockedStep:
        return replace(
            step,
            frames=tuple(map(place, step.frames)),
            culprit=place(step.culprit),
            lines={place(frame): time for frame, time in step.lines.items()},
            parts=tuple(map(step_with_places, step.parts)),
        )

    return replace(recording, blocked=tuple(map(step_with_places, recording.blocked)))


def _is_carried(step: BlockedStep) -> bool:
    return any(frame.file == CARRIED for frame in (step.culprit, *step.frames))


def _functions(text: str) -> list[tuple[str, range]]:
    """Return the functions of a source by name, and their lines."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            name = LAMBDA if isinstance(node, ast.Lambda) else node.name
            found.append((name, range(node.lineno, (node.end_lineno or node.lineno) + 1)))
    return found
