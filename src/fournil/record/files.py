"""Which file a recording is written into, and what it may take the place of.

One rule, for the recorder and for `fournil run --record`:

- What is no recording, and what is another user's, is left as it is.
- A recording that a process still writes into is left to it.
- A recording that has ended stays until a new one has begun, which then takes its place: whoever
  reads the old one, and a loop that has not let go of it, keeps it.
- An empty file is written into, and one that is not there is made.

Processes that begin on one path at the same time are kept apart by a lock on the file that is
there, until the new one is in its place. Later, no lock is needed, and no descriptor that a program
might close: a recording says who writes it, and the kernel says whether that process still does.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import os
import stat
import tempfile
import time
from typing import Self

from fournil.record.layout import HEADER, MAGIC, VERSION

SHARED_MEMORY = "/dev/shm"
NUMBER = "%p"
"""In a file's name, this stands for the number of the process that records."""

IN_A_FOLDER = f"{NUMBER}.fournil"
"""What the recordings in a folder are called."""

TRIES, PAUSE_S = 500, 0.01
"""How often, and after how long, a file is tried again that another process has locked."""


def path_of(given: str, pid: int | None = None) -> str:
    """Return where the recording of a process goes: absolute and without links.

    Args:
        given: a path; of a folder, for a file in it.
        pid: of the process; None leaves open what its number is.

    >>> path_of("/tmp/%p.fournil", 12)
    '/tmp/12.fournil'
    """
    if not given:
        return given
    if given.endswith("/") or os.path.isdir(given):
        given = os.path.join(given, IN_A_FOLDER)
    folder, name = os.path.split(given)
    if pid is not None:
        name = name.replace(NUMBER, str(pid))
    return os.path.realpath(os.path.join(folder, name))


def matching(pattern: str) -> list[str]:
    """Return the paths that there are of a pattern with `%p` in it, whatever stands for that."""
    return glob.glob(glob.escape(pattern).replace(NUMBER, "*"))


def new_beside(path: str) -> tuple[int, str]:
    """Return a new file in the folder of a path, private to this user: open, and its path."""
    folder, name = os.path.split(path)
    return tempfile.mkstemp(prefix=f".{name.replace(NUMBER, '')}.", dir=folder)


def folder_with_room(size: int) -> str:
    """Return the folder for a recording of so many bytes that is not kept."""
    # Writing to a mapped file on a disk waits whenever the kernel writes its pages back. But
    # a container's shared memory may be small.
    with contextlib.suppress(OSError):
        room = os.statvfs(SHARED_MEMORY)
        if room.f_bavail * room.f_frsize > size and os.access(SHARED_MEMORY, os.W_OK):
            return SHARED_MEMORY
    return tempfile.gettempdir()


def check(path: str) -> None:
    """Raise OSError where no recording may be written; its text says why.

    Args:
        path: as `path_of` returns it; of no process yet, only what does not depend on its number
            is known.
    """
    if path and not os.path.lexists(path):
        return
    descriptor = _open(path)
    try:
        _check_replaceable(descriptor, path)
    finally:
        os.close(descriptor)


class Claim:
    """A path that this process alone records into, until the claim ends.

    Args:
        path: as `path_of` returns it.

    Raises:
        OSError: no recording may be written there; its text says why, and nothing was changed.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._there, self._made = _lock(path)
        try:
            _check_replaceable(self._there, path)
        except BaseException:
            Claim.close(self)
            raise

    def put(self, source: str) -> None:
        """Move a file to the path, in place of what is there."""
        os.replace(source, self.path)
        self._made = False

    def close(self) -> None:
        """End the claim."""
        if self._made:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)
        os.close(self._there)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class NewFile(Claim):
    """The empty file of a new recording, which no other user can read.

    Unless `keep` is called, all is as it was before when the claim ends.

    Args:
        path: as `path_of` returns it.

    Raises:
        OSError: no recording may be written there; its text says why, and nothing was changed.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.descriptor = self._there
        self._aside = ""
        self._kept = False
        self._before = os.fstat(self._there)
        try:
            if self._made or self._before.st_size:
                self.descriptor, self._aside = new_beside(path)
            else:
                os.fchmod(self.descriptor, 0o600)
        except BaseException:
            self.close()
            raise

    def keep(self) -> None:
        """Put the file, which is a recording by now, in its place."""
        if self._aside:
            self.put(self._aside)
        self._kept = True

    def close(self) -> None:
        """End the claim."""
        if not self._kept:
            self._undo()
        if self._aside:
            os.close(self.descriptor)
        super().close()

    def _undo(self) -> None:
        if self._aside:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._aside)
        elif not self._made:
            os.ftruncate(self.descriptor, 0)
            os.fchmod(self.descriptor, stat.S_IMODE(self._before.st_mode))
            os.utime(self.descriptor, ns=(self._before.st_atime_ns, self._before.st_mtime_ns))


def is_being_written(path: str) -> bool:
    """Tell whether a recording has not ended, and its process still writes it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        begin = os.pread(descriptor, HEADER.size, 0)
        if len(begin) < HEADER.size:
            return False
        header = HEADER.unpack(begin)
        inode = os.fstat(descriptor).st_ino
        return not header["ended_ticks"] and is_written_by(header["pid"], inode)
    finally:
        os.close(descriptor)


def writer_of(descriptor: int) -> int:
    """Return the number of the process that a recording is of; 0: it does not say."""
    begin = os.pread(descriptor, HEADER.size, 0)
    return 0 if len(begin) < HEADER.size else int(HEADER.unpack(begin)["pid"])


def is_written_by(pid: int, inode: int) -> bool:
    """Tell whether a process maps a file: its number alone may by now be another's."""
    try:
        with open(f"/proc/{pid}/maps", "rb") as maps:
            return any(line.split(None, 5)[4:5] == [b"%d" % inode] for line in maps)
    except PermissionError:
        return True
    except OSError:
        if os.path.exists("/proc/self/maps"):
            return False  # there is no such process
    # Without /proc, who has the number now is as good as any.
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return pid != os.getpid()


def _lock(path: str) -> tuple[int, bool]:
    """Return a descriptor of the file at a path, locked, and whether the file was made by this."""
    for _ in range(TRIES):
        made = False
        try:
            descriptor = _open(path)
        except FileNotFoundError:
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                continue
            made = True
        try:
            locked = _try_to_lock(descriptor)
            if locked and os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor, made
        except FileNotFoundError:
            locked = True  # it was a place kept by one who failed
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if not locked:
            time.sleep(PAUSE_S)
    raise OSError(errno.EBUSY, "another process keeps it locked; give another path", path)


def _try_to_lock(descriptor: int) -> bool:
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        pass  # a file system that has no locks
    return True


def _open(path: str) -> int:
    """Return a descriptor of a file of this user's; without opening what is no file."""
    status = os.lstat(path)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a directory", path)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file", path)
    if status.st_uid != os.geteuid():
        raise PermissionError(
            errno.EPERM, f"it belongs to another user, {status.st_uid}; give another path", path
        )
    return os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY)


def _check_replaceable(descriptor: int, path: str) -> None:
    begin = os.pread(descriptor, HEADER.size, 0)
    if not begin.startswith(MAGIC) and begin:
        raise FileExistsError(
            errno.EEXIST, "it is no recording, and is not overwritten; give another path", path
        )
    if len(begin) < HEADER.size:
        return
    header = HEADER.unpack(begin)
    ended = header["version"] == VERSION and header["ended_ticks"]
    if not ended and is_written_by(header["pid"], os.fstat(descriptor).st_ino):
        raise OSError(
            errno.EBUSY,
            f"process {header['pid']} records into it; give another path, or one with {NUMBER} in"
            " it, which stands for the process's number",
            path,
        )
