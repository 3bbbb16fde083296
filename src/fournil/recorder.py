"""The recorder: records the steps of all loops of this process, and watches for blocked ones."""

from __future__ import annotations

import atexit
import functools
import os
import platform
import site
import sys
import sysconfig
import tempfile
import threading
import warnings
from collections.abc import Coroutine, Mapping
from functools import partial
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from fournil._native import ring, watch as native_watch
from fournil._native.pools import PoolRecord
from fournil._native.threads import ThreadRecord, watch_script
from fournil.other_loops import OtherLoops
from fournil.record import bounds, files, hook
from fournil.record.layout import DEFAULT_SIZE
from fournil.record.quotas import quota_file

ARGUMENTS = 4096
"""How many characters of a command line are kept."""

_changing = threading.RLock()
"""Held while a recorder starts or stops: one is on at a time, whatever thread it is of."""


def _after_fork() -> None:
    global _changing
    _changing = threading.RLock()
    hook.open_pool = hook.open_thread = None  # the recording is the parent's
    hook.changes += 1


os.register_at_fork(after_in_child=_after_fork)


class Recorder:
    """Records the steps of all of Fournil's loops in this process, while it is on.

    One recorder is on at a time. Loops that run already are recorded from their next turn. Of a
    loop that is not Fournil's it says by a RuntimeWarning that it cannot record it.
    The recording is a mapped file that other processes of the same user can read meanwhile.

    Args:
        path: the file of the recording, mode 0600; by default a file in shared memory that is
            removed when the recorder stops. A recording that is there and has ended is replaced;
            what is no recording, or is still written by a process, is not. In its name, `%p`
            stands for the number of the process; a folder gets a file `%p.fournil`.
        threshold: how long a step must run to count as blocked, in seconds.
        size: of the recording: a number of bytes, or a text as `64M`; from 2 MiB to 32 GiB.
        threads: whether threads of pools are watched as well, while they run calls.
        watch: whether to find out why and where steps block. The watch uses SIGURG while it
            is on, or a real-time signal where the program handles that.
        main: the path of the program's main file, which counts as the user's own code
            wherever it lies.
        warn: whether to warn of loops that are not Fournil's.
        program: the number of the program of several processes that this one is of; 0: of none.
        about: what else the recording is to say of its process, as JSON has it.

    Attributes:
        path: as it was given; since `start`, the file.

    Raises:
        ValueError: the threshold or the size is out of range.
        OSError: from `start`: the file cannot be written, there is no room for it, it is no
            recording, or another process records into it. What was there is as it was.
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
        size: int | str = DEFAULT_SIZE,
        threads: bool = False,
        watch: bool = True,
        main: str | None = None,
        warn: bool = True,
        program: int = 0,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = None if path is None else Path(path)
        self.threshold = bounds.threshold(threshold)
        self._given = None if path is None else os.fspath(path)
        self._size = bounds.size(size)
        self._watches = watch
        self._watches_threads = threads
        self._main = main
        self._warns = warn
        self._program = program
        self._about = about or {}
        self._ring: ring.Ring | None = None
        self._watch: native_watch.Watch | None = None
        self._open_pool: partial[PoolRecord] | None = None
        self._open_thread: partial[ThreadRecord] | None = None
        self._other_loops: OtherLoops | None = None

    def start(self) -> None:
        """Begin to record."""
        with _changing:
            if self._ring is not None:
                raise RuntimeError(f"this recorder is on already, into {str(self.path)!r}")
            other = ring.recording_path()
            if other is not None and hook.is_run:
                warnings.warn(
                    "`fournil run` records this program already: this recorder records nothing;"
                    " run it by `python`, or keep that recording by `--record`",
                    RuntimeWarning,
                    stacklevel=3,
                )
                return
            if other is not None:
                raise RuntimeError(
                    f"a recording is under way already, into {other!r}; stop its recorder first"
                )
            if self._given is None:
                path = _temporary_file(self._size)
            else:
                path = files.path_of(self._given, os.getpid())
            self.path = Path(path)
            try:
                with files.NewFile(path) as file:
                    self._begin(path, file)
            except BaseException:
                self._remove()
                raise
            atexit.register(self._stop)
            others = self._other_loops = OtherLoops(self._note_other_loop) if self._warns else None
        if others is not None:
            others.begin()

    def _begin(self, path: str, file: files.NewFile) -> None:
        try:
            self._ring = ring.Ring(
                file.descriptor,
                path,
                self._size,
                int(self.threshold * 1e9),
                int(sys.getswitchinterval() * 1e9),
                self._program,
                os.getppid(),
                {**self._about, **describe_process(self._main)},
            )
            if threading.current_thread() is threading.main_thread():
                watch_script(self._ring)
            if self._watches:
                quota = quota_file()
                self._watch = native_watch.Watch(self._ring, os.fsencode(quota) if quota else None)
                self._watch.start()
            self._ring.begin()
            file.keep()
            self._open_pool = hook.open_pool = partial(PoolRecord, self._ring)
            if self._watches_threads:
                self._open_thread = hook.open_thread = partial(ThreadRecord, self._ring)
            hook.changes += 1
        except BaseException:
            self._end()
            raise

    def stop(self) -> None:
        """End the recording; does nothing when the recorder is not on.

        Warns:
            RuntimeWarning: the recording ended before, since its file was cut short.
        """
        path = self.path
        others, self._other_loops = self._other_loops, None
        cut_short = self._stop()
        if others is not None:
            others.end()
        if cut_short:
            warnings.warn(
                f"the recording {str(path)!r} was cut short while it was written, or its disk was"
                " full; it ended then",
                RuntimeWarning,
                stacklevel=2,
            )

    def _stop(self) -> bool:
        """End the recording, if there is one; return whether it had ended before."""
        with _changing:
            lost = self._ring is not None and self._ring.lost
            if self._ring is not None:
                self._end()
                atexit.unregister(self._stop)
        return lost

    def _end(self) -> None:
        """End what was begun of a recording; where a signal's handler raises, to be repeated."""
        # Another's may have begun, where this one was lost.
        if hook.open_pool is self._open_pool:
            hook.open_pool = None
        if hook.open_thread is self._open_thread:
            hook.open_thread = None
        hook.changes += 1
        self._open_pool = None
        self._open_thread = None
        # In a forked child, the recording is its parent's.
        if self._ring is not None and self._ring.pid == os.getpid():
            if self._watch is not None:
                self._watch.stop()
            self._ring.end()
            self._remove()
        self._watch = None
        self._ring = None

    def _remove(self) -> None:
        """Remove a file that is not kept."""
        if self._given is None and self.path is not None:
            self.path.unlink(missing_ok=True)
            self.path = None

    def note_never_awaited(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Record that a coroutine was collected without ever having run.

        One of a library's own, as `asyncio.sleep(1)`, counts where the program let it go.
        """
        if self._ring is None:
            return
        place: tuple[str, int] | tuple[()] = ()
        code = getattr(coroutine, "cr_code", None)
        if code is not None and code.co_filename.startswith(_foreign()):
            place = _line_of_the_program() or ()
        self._ring.note_never_awaited(coroutine, *place)

    def _note_other_loop(self) -> None:
        if self._ring is not None:
            self._ring.note_other_loop()

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


def _temporary_file(size: int) -> str:
    """Return a new file for a recording that is not kept."""
    descriptor, path = tempfile.mkstemp(
        prefix=f"fournil-{os.getpid()}-", dir=files.folder_with_room(size)
    )
    os.close(descriptor)
    return path


def describe_process(main: str | None) -> dict[str, Any]:
    """Return what a reader needs to know of this process, for the recording's meta text."""
    from fournil import __version__

    return {
        "argv": _shortened(sys.orig_argv if main is None else sys.argv),
        "main": main,
        "python": sys.version.split()[0],
        "implementation": platform.python_implementation(),
        "fournil": __version__,
        "cores": len(os.sched_getaffinity(0)),
        "code_roots": _code_roots(),
    }


def _code_roots() -> dict[str, list[str]]:
    """Return the folders of code that is not the program's own."""
    packages = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    packages.update(site.getsitepackages())
    packages.add(site.getusersitepackages())
    return {
        "stdlib": sorted({sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}),
        "packages": sorted(packages),
        "fournil": [str(Path(__file__).parent)],
    }


@functools.cache
def _foreign() -> tuple[str, ...]:
    """Return how the names of files begin that are not the program's own."""
    folders = (folder for those in _code_roots().values() for folder in those)
    return "<frozen ", "<importlib", *(f"{folder}/" for folder in folders)


def _line_of_the_program() -> tuple[str, int] | None:
    """Return the file and the line of the innermost frame that is the program's own."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if not frame.f_code.co_filename.startswith(_foreign()):
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
    return None


def _shortened(words: list[str]) -> list[str]:
    """Return as many words of a command line as a recording's text has room for."""
    kept: list[str] = []
    for word in words:
        room = ARGUMENTS - sum(map(len, kept))
        if len(kept) == ARGUMENTS // 16 or len(word) > room:
            return [*kept, f"{word[:room]}…"]
        kept.append(word)
    return kept
