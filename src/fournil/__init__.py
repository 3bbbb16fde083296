"""Fournil: an asyncio event loop that is fast, and that sees who blocks it.

The layers, each of which may import those named with it, and nothing of what is above:

```
cli            the `fournil` command                              any
launch         runs a program so that all its loops are ours      loop, recorder, errors
observe        reads a recording; says what to do about it        record, errors
recorder       records what runs while it is entered              _native, record, errors
offload        pools: functions that run elsewhere, awaited       errors, record
loop           EventLoop, run, Runner                             _native, errors
_native        the hot path: loop core, ring, watch (Cython)      record, errors
timing         the `timed` decorator                              errors
record         the recording's format, shared by writer, readers  -
errors         what can go wrong                                  -
```

The public names are imported when they are first used: `import fournil` costs nothing, and
code that only needs `timed` loads no native module.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fournil.errors import FournilError, PoolClosedError, PoolError, RecordingError
    from fournil.loop import EventLoop, Runner, new_event_loop, run
    from fournil.offload.call import cancelled, check_cancelled
    from fournil.offload.pool import Pool
    from fournil.offload.threads import ThreadPool, to_thread
    from fournil.recorder import Recorder
    from fournil.timing import timed

__version__ = "0.1.0"

__all__ = [
    "EventLoop",
    "FournilError",
    "Pool",
    "PoolClosedError",
    "PoolError",
    "Recorder",
    "RecordingError",
    "Runner",
    "ThreadPool",
    "cancelled",
    "check_cancelled",
    "new_event_loop",
    "run",
    "timed",
    "to_thread",
]

_HOMES = {
    "EventLoop": "fournil.loop",
    "FournilError": "fournil.errors",
    "Pool": "fournil.offload.pool",
    "PoolClosedError": "fournil.errors",
    "PoolError": "fournil.errors",
    "Recorder": "fournil.recorder",
    "RecordingError": "fournil.errors",
    "Runner": "fournil.loop",
    "ThreadPool": "fournil.offload.threads",
    "cancelled": "fournil.offload.call",
    "check_cancelled": "fournil.offload.call",
    "new_event_loop": "fournil.loop",
    "run": "fournil.loop",
    "timed": "fournil.timing",
    "to_thread": "fournil.offload.threads",
}


def __getattr__(name: str) -> object:
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module 'fournil' has no attribute {name!r}") from None
    value = getattr(import_module(home), name)
    # From now on it is found without a call of this function.
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
