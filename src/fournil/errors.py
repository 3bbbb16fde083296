"""What can go wrong, as exceptions.

```
FournilError
├── PoolError                    a pool cannot do what it is asked
│   ├── PoolClosedError          it was closed before
│   ├── CannotTravelError        an object cannot go to another process, or not come back
│   ├── RemoteError              stands for an exception of a worker that cannot
│   └── WorkerDied               a worker died, and the call that it ran with it
└── RecordingError               a recording cannot be read
    ├── RecordingFormatError     the file is something else
    ├── RecordingVersionError    it was written by a version that keeps another format
    └── RecordingDamagedError    it is cut short, or its parts contradict each other
```

An error's text says what happened, with the value, then what to do about it.
"""

from __future__ import annotations


class FournilError(Exception):
    """Each error that Fournil raises on its own account."""


class PoolError(FournilError):
    """A pool cannot do what it is asked."""


class PoolClosedError(PoolError):
    """A closed pool was given a call."""


class CannotTravelError(PoolError):
    """An object cannot be pickled, or not unpickled on the other side."""


class RemoteError(PoolError):
    """Stands for an exception raised in a worker that cannot travel; its text is the same."""


class WorkerDied(PoolError):  # noqa: N818
    """A worker died while it ran the call; other calls are not touched by it.

    Attributes:
        exit_code: what the process ended with; None: it was killed, or nobody knows.
        signal: the number of the signal that killed it; None: it ended by itself, or nobody knows.
    """

    exit_code: int | None = None
    signal: int | None = None


class RecordingError(FournilError):
    """A recording cannot be read."""


class RecordingFormatError(RecordingError):
    """The file does not begin as a recording does."""


class RecordingVersionError(RecordingError):
    """The recording has a format that this version of Fournil does not read."""


class RecordingDamagedError(RecordingError):
    """The recording is cut short, or what it says about itself cannot be."""
