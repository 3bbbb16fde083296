"""What can go wrong, as exceptions.

```
FournilError
├── PoolError                    a pool cannot do what it is asked
│   └── PoolClosedError          it was closed before
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


class RecordingError(FournilError):
    """A recording cannot be read."""


class RecordingFormatError(RecordingError):
    """The file does not begin as a recording does."""


class RecordingVersionError(RecordingError):
    """The recording has a format that this version of Fournil does not read."""


class RecordingDamagedError(RecordingError):
    """The recording is cut short, or what it says about itself cannot be."""
