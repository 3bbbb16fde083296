"""Fournil: an asyncio event loop that is fast, and that sees who blocks it.

The layers, each of which may import those named with it, and nothing of what is above:

```
cli            the `fournil` command                              any
launch         runs a program so that all its loops are ours      loop, recorder, record, errors
recording      recordings for scripts (`import fournil.recording`)  observe, record
observe        reads a recording; says what to do about it        evidence, record, errors
recorder       records what runs while it is entered              _native, other_loops, record,
                                                                  errors
other_loops    loops that are not ours, while a recorder is on    _native
loop           EventLoop, run, Runner                             _loop, _native, record, errors
_loop          the parts of EventLoop besides its native core     _native,
                                                                  offload.default_executor
offload        pools: functions that run elsewhere, awaited       _native.spin_wait, _worker,
                                                                  errors, evidence, record
_native        the hot path: loop core, ring, watch (Cython)      record, errors
progress_bar   how far a loop over a pool's results is            rich
timing         the `timed` decorator                              errors
evidence       why a thread kept others waiting, from looks at it record
_worker        the worker's side of pools that share no objects   errors
record         the recording's format, and which file it goes to  -
errors         what can go wrong                                  -
```

The public names are imported when they are first used: `import fournil` costs nothing, and
code that only needs `timed` loads no native module.
"""

from __future__ import annotations

from importlib import import_module

# Not typing's, which takes longer to import than all else that a worker process needs of it.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from fournil._worker.running import cancelled, check_cancelled, worker_state
    from fournil.errors import (
        CannotTravelError,
        FournilError,
        PoolClosedError,
        PoolError,
        RecordingError,
        RemoteError,
        WorkerDied,
    )
    from fournil.loop import EventLoop, Runner, new_event_loop, run
    from fournil.offload.interpreters import InterpreterPool
    from fournil.offload.pool import Pool
    from fournil.offload.processes import ProcessPool, to_process
    from fournil.offload.sharing import share
    from fournil.offload.threads import ThreadPool, to_thread
    from fournil.progress_bar import progress
    from fournil.recorder import Recorder
    from fournil.timing import timed

__version__ = "0.1.0"

__all__ = [
    "CannotTravelError",
    "EventLoop",
    "FournilError",
    "InterpreterPool",
    "Pool",
    "PoolClosedError",
    "PoolError",
    "ProcessPool",
    "Recorder",
    "RecordingError",
    "RemoteError",
    "Runner",
    "ThreadPool",
    "WorkerDied",
    "cancelled",
    "check_cancelled",
    "new_event_loop",
    "progress",
    "run",
    "share",
    "timed",
    "to_process",
    "to_thread",
    "worker_state",
]

_HOMES = {
    "CannotTravelError": "fournil.errors",
    "EventLoop": "fournil.loop",
    "FournilError": "fournil.errors",
    "InterpreterPool": "fournil.offload.interpreters",
    "Pool": "fournil.offload.pool",
    "PoolClosedError": "fournil.errors",
    "PoolError": "fournil.errors",
    "ProcessPool": "fournil.offload.processes",
    "Recorder": "fournil.recorder",
    "RecordingError": "fournil.errors",
    "RemoteError": "fournil.errors",
    "Runner": "fournil.loop",
    "ThreadPool": "fournil.offload.threads",
    "WorkerDied": "fournil.errors",
    "cancelled": "fournil._worker.running",
    "check_cancelled": "fournil._worker.running",
    "new_event_loop": "fournil.loop",
    "progress": "fournil.progress_bar",
    "run": "fournil.loop",
    "share": "fournil.offload.sharing",
    "timed": "fournil.timing",
    "to_process": "fournil.offload.processes",
    "to_thread": "fournil.offload.threads",
    "worker_state": "fournil._worker.running",
}


def __getattr__(name: str) -> object:
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module 'fournil' has no attribute {name!r}") from None
    try:
        value = getattr(import_module(home), name)
    except OSError as error:
        # Most likely, the program has no descriptor left, and knows of no file of ours.
        reason = f"{error.strerror}, to import fournil.{name}, which is done at its first use"
        raise OSError(error.errno, reason) from error
    # From now on it is found without a call of this function.
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
