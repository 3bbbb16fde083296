"""Recordings for scripts: what a program's tasks, steps, calls did, as plain data.

>>> import asyncio, os, tempfile, fournil
>>> path = os.path.join(tempfile.mkdtemp(), "naps.fournil")
>>> with fournil.Recorder(path):
...     fournil.run(asyncio.sleep(0.01))
>>> recording = load(path)
>>> [task.state for task in recording.tasks if task.site.function == "sleep"]
['finished']
>>> len(recording.blocked)
0

`load` reads a recording once: of a program that ended, was killed, or still runs. `follow` goes on
reading while the program runs. Both only read the file: the program is asked nothing, and notices
nothing. `set_threshold` asks a program that runs.

All times are in seconds; moments are since the recording's start. What a recording no longer has,
since its rings overwrite their oldest entries, is counted in `Recording.lost`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from fournil.errors import RecordingError
from fournil.observe.recording import live
from fournil.observe.recording.reading import Reader
from fournil.record import bounds, control
from fournil.recording.making import public
from fournil.recording.parts import (
    BlockedStep,
    Call,
    Frame,
    Headroom,
    Lag,
    Loop,
    Lost,
    Pool,
    RunningCall,
    Second,
    Site,
    Step,
    Task,
)
from fournil.recording.snapshot import Recording

__all__ = [
    "BlockedStep",
    "Call",
    "Frame",
    "Headroom",
    "Lag",
    "Loop",
    "Lost",
    "Pool",
    "Recording",
    "RunningCall",
    "Second",
    "Site",
    "Step",
    "Task",
    "follow",
    "load",
    "set_threshold",
]


def load(path: str) -> Recording:
    """Return the recording at `path`, as it is now.

    Raises:
        RecordingError: there is none, or it cannot be read.
    """
    return public(live.load(path))


def follow(path: str, *, every: float = 1.0) -> Iterator[Recording]:
    """Yield the recording at `path` again and again, until its program has ended.

    The first comes at once, the last when the program has ended or was killed. Each is whole, not
    only what is new; a poll of a program with 100,000 tasks takes a few milliseconds.

    Args:
        path: the recording of a program that runs, or of one that ended.
        every: how long to sleep between two polls, in seconds. In a coroutine, take the next one
            by `await asyncio.to_thread(next, recordings, None)`.

    Raises:
        RecordingError: there is none, or it cannot be read; when the first is asked for, or later.
    """
    state = live.State()
    with Reader(path) as reader:
        while True:
            state.apply(reader.poll())
            recording = public(state.recording())
            yield recording
            if not recording.alive:
                return
            time.sleep(every)


def set_threshold(path: str, seconds: float) -> None:
    """Have a program that is recorded take steps for blocked from so many seconds on.

    The program's watch does it, within a tenth of a second; whoever may write the file may ask.

    Args:
        path: the recording that the program writes.
        seconds: from 0.001 to 3600.

    Raises:
        ValueError: it is no threshold.
        RecordingError: there is no such recording, it has ended, or nobody answers.
    """
    seconds = bounds.threshold(seconds)
    try:
        control.set_threshold(path, seconds)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None)
        raise RecordingError(f"{path}: {reason}" if reason else str(error)) from error
