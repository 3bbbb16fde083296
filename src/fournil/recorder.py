"""The recorder: records the steps of all loops of this process, and watches for blocked ones."""

from __future__ import annotations

import atexit
import math
import os
import platform
import site
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from fournil._native import ring, watch as native_watch
from fournil._native.pools import PoolRecord
from fournil.record import hook
from fournil.record.layout import DEFAULT_SIZE


def _forget_pools() -> None:
    hook.open_pool = None


# The recording is the parent's.
os.register_at_fork(after_in_child=_forget_pools)


class Recorder:
    """Records the steps of all of Fournil's loops in this process, while it is on.

    One recorder is on at a time. Loops that run already are recorded from their next turn.
    The recording is a mapped file that other processes of the same user can read meanwhile.

    Args:
        path: the file of the recording, mode 0600, which is emptied if it exists; by default
            a file in shared memory that is removed when the recorder stops.
        threshold: how long a step must run to count as blocked, in seconds.
        size: of the recording, in bytes.
        watch: whether to find out why and where steps block. The watch uses SIGURG while it
            is on, or a real-time signal where the program handles that.
        main: the path of the program's main file, which counts as the user's own code
            wherever it lies.

    Raises:
        ValueError: the threshold or the size is out of range.
        OSError: the file cannot be written or there is no room for it.
        RuntimeError: from `start`, when a recorder is on already.

    Example:
        >>> with Recorder(threshold=0.1) as recorder:
        ...     fournil.run(main())
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        threshold: float = 0.05,
        size: int = DEFAULT_SIZE,
        watch: bool = True,
        main: str | None = None,
    ) -> None:
        if not (math.isfinite(threshold) and 0.001 <= threshold <= 3600):
            raise ValueError(
                f"threshold is a number of seconds from 0.001 to 3600, got {threshold!r}"
            )
        self.path = None if path is None else Path(path)
        self.threshold = threshold
        self._removed_at_end = path is None
        self._size = size
        self._watches = watch
        self._main = main
        self._ring: ring.Ring | None = None
        self._watch: native_watch.Watch | None = None

    def start(self) -> None:
        """Begin to record."""
        if self._ring is not None:
            raise RuntimeError(f"this recorder is on already, into {str(self.path)!r}")
        if (other := ring.recording_path()) is not None:
            raise RuntimeError(
                f"a recording is under way already, into {other!r}; stop its recorder first"
            )
        if self._removed_at_end:
            self.path = default_path()
        try:
            self._ring = self._begin(str(self.path))
        except BaseException:
            if self._removed_at_end:
                self._remove()
            raise
        atexit.register(self.stop)

    def _begin(self, path: str) -> ring.Ring:
        recording = ring.Ring(
            path,
            self._size,
            int(self.threshold * 1e9),
            int(sys.getswitchinterval() * 1e9),
            describe_process(self._main),
        )
        if threading.current_thread() is threading.main_thread():
            recording.watch_script()
        if self._watches:
            watch = native_watch.Watch(recording)
            watch.start()
            self._watch = watch
        recording.begin()
        hook.open_pool = partial(PoolRecord, recording)
        return recording

    def stop(self) -> None:
        """End the recording; does nothing when the recorder is not on."""
        recording = self._ring
        if recording is None:
            return
        self._ring = None
        atexit.unregister(self.stop)
        hook.open_pool = None
        if recording.pid != os.getpid():
            return  # a forked child: the recording is its parent's
        if self._watch is not None:
            self._watch.stop()
            self._watch = None
        recording.end()
        if self._removed_at_end:
            self._remove()

    def _remove(self) -> None:
        if self.path is not None:
            self.path.unlink(missing_ok=True)
            self.path = None

    def note_never_awaited(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Record that a coroutine was collected without ever having run."""
        if self._ring is not None:
            self._ring.note_never_awaited(coroutine)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def default_path() -> Path:
    """Return a new file for a recording, in shared memory where the system has it."""
    # Writing to a mapped file on disk stalls whenever the kernel writes its pages back.
    folder = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    descriptor, path = tempfile.mkstemp(prefix=f"fournil-{os.getpid()}-", dir=folder)
    os.close(descriptor)
    return Path(path)


def describe_process(main: str | None) -> dict[str, Any]:
    """Return what a reader needs to know of this process, for the recording's meta text."""
    from fournil import __version__

    packages = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    packages.update(site.getsitepackages())
    packages.add(site.getusersitepackages())
    return {
        "argv": sys.orig_argv if main is None else sys.argv,
        "main": main,
        "python": sys.version.split()[0],
        "implementation": platform.python_implementation(),
        "fournil": __version__,
        "cores": len(os.sched_getaffinity(0)),
        "code_roots": {
            "stdlib": sorted({sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}),
            "packages": sorted(packages),
            "fournil": [str(Path(__file__).parent)],
        },
    }
