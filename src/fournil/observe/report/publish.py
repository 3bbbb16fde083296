"""The report of a recording: read, found, and shown as text or as JSON.

This module, `reading` and `render` are the edge of the folder: what they call is pure.
"""

from __future__ import annotations

import json
import linecache
import sys
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TextIO

from fournil.evidence.stacks import Frame
from fournil.observe.advice.advisor import Advisor
from fournil.observe.advice.machine import Machine, measure
from fournil.observe.recording.carried import located
from fournil.observe.recording.model import Recording
from fournil.observe.recording.program import load_program
from fournil.observe.report import render
from fournil.observe.report.document import as_dict
from fournil.observe.report.findings import Report, find
from fournil.observe.report.processes import report_of
from fournil.observe.report.sections import lines_of
from fournil.observe.report.sheet import View

__all__ = ["as_dict", "load", "print_report", "publish", "write_json"]

LARGEST_SOURCE = 8 << 20
"""Files larger than this are not read for the sake of one line."""

STANDARD_OUTPUT = "-"

JUST_ENDED_S = 20.0
"""Other programs still do what they did while a program ran that ended no longer ago."""


def load(path: str, folder: str | None = None, mine: Sequence[str] = ()) -> Report:
    """Return the report of the program that the recording at `path` is of.

    Args:
        path: the recording of one of its processes.
        folder: where else recordings of them may be, and notes of what was not seen.
        mine: packages that count as the user's own, besides those that the recordings name.

    Raises:
        RecordingError: there is none, or it cannot be read.
    """
    program = load_program(path, folder, mine)
    recordings = [located(one, source_text) for one in program.recordings]
    measured = cache(measure)
    reports = [report_of_one(one, measured) for one in recordings]
    return report_of(recordings, reports, program.unseen)


def report_of_one(recording: Recording, measured: Callable[[], Machine] = measure) -> Report:
    """Return the report of one process."""
    return find(recording, Advisor(recording, source_text, _machine_of(recording, measured)))


def _machine_of(recording: Recording, measured: Callable[[], Machine]) -> Callable[[], Machine]:
    """Return how to ask what things cost on the machine of a recording, as far as is known."""
    if recording.alive:
        return measured
    ended = recording.started_unix_s + recording.run_s
    if abs(time.time() - ended) < JUST_ENDED_S:
        return measured
    return lambda: measured()._replace(others=None)


def publish(path: str, folder: str | None = None, *, json_to: str | None, show: bool) -> None:
    """Print the report of the recording at `path` to stderr, write its JSON, or both.

    Args:
        path: the recording.
        folder: as for `load`.
        json_to: where the JSON goes; `-` is standard output; None: nowhere.
        show: print the report.

    Raises:
        RecordingError: the recording cannot be read.
        OSError: the JSON cannot be written.
    """
    report = load(path, folder)
    if show:
        print_report(report, sys.stderr)
    if json_to is not None:
        write_json(report, json_to)


def print_report(report: Report, file: TextIO) -> None:
    """Print a report: in colours on a terminal, plain elsewhere."""
    console = render.terminal(file) if render.is_terminal(file) else None
    view = View(render.width_of(console), _working_directory(), source_line)
    render.write(lines_of(report, view), file, console)


def write_json(report: Report, path: str) -> None:
    """Write a report as JSON to a file, or to standard output when `path` is `-`."""
    text = json.dumps(as_dict(report, source_line), indent=2) + "\n"
    if path == STANDARD_OUTPUT:
        sys.stdout.write(text)
    else:
        Path(path).write_text(text, encoding="utf-8")


def source_line(frame: Frame) -> str:
    """Return a frame's line of source code, or nothing where it cannot be read."""
    return linecache.getline(frame.file, frame.line) if _is_source(frame.file) else ""


def source_text(file: str) -> str:
    """Return the text of a source file, or nothing where it cannot be read."""
    return "".join(linecache.getlines(file)) if _is_source(file) else ""


def _is_source(file: str) -> bool:
    try:
        path = Path(file)
        # A recording may name anything; what is no regular file could block or never end.
        return path.is_file() and path.stat().st_size <= LARGEST_SOURCE
    except (OSError, ValueError):
        return False


def _working_directory() -> str:
    try:
        return str(Path.cwd())
    except OSError:
        # The directory was removed under the program.
        return ""
