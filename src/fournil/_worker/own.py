"""Descriptors that were opened here, known by what they name and not by their number.

Programs close all descriptors, or put others in the place of some: daemons do, and the runtimes of
other languages. A number that was ours then is nobody's, or that of a file or a connection of
somebody else: it is not ours to write to, to read from or to close.
"""

from __future__ import annotations

import os
import socket
from errno import EACCES, EBADF, EINVAL, ENOSYS, EPERM

TYPE_CHECKING = False  # typing takes longer to import than all else
if TYPE_CHECKING:
    from collections.abc import Iterator

COOKIE = 57
"""SO_COOKIE, which `socket` does not name: what the kernel knows a socket by, and no other ever."""

STANDARD = 3
"""Below are the numbers of standard input, output and error: whoever writes there means those."""

REFUSED = frozenset({ENOSYS, EPERM, EACCES, EINVAL})
"""How a kernel, or a profile of seccomp, says that it does not offer a system call."""


class OwnSocket(socket.socket):
    """A socket that knows whether its number is still its own.

    Args:
        taken: another socket, which gives its descriptor up, or a descriptor.
    """

    __slots__ = ("_identity",)

    def __init__(self, taken: socket.socket | int) -> None:
        descriptor = taken if isinstance(taken, int) else taken.detach()
        if descriptor < STANDARD:
            descriptor = _above(descriptor)
        super().__init__(fileno=descriptor)
        self._identity = self._look()

    def _look(self) -> object:
        try:
            return self.getsockopt(socket.SOL_SOCKET, COOKIE, 8)
        except OSError:
            # Sandboxes know no cookies; a number of an inode takes twice as long.
            found = os.fstat(self.fileno())
            return found.st_dev, found.st_ino

    def is_there(self) -> bool:
        """Return whether the number names this socket."""
        try:
            return self._look() == self._identity
        except OSError:
            return False

    def close(self) -> None:
        """Close it, unless the number is another's."""
        if self.fileno() >= 0 and not self.is_there():
            self.detach()
        try:
            super().close()
        except OSError as error:
            if error.errno != EBADF:
                raise
            # Another thread has closed it since.


def own_pair(kind: int = socket.SOCK_STREAM) -> tuple[OwnSocket, OwnSocket]:
    """Return two sockets that are connected to each other."""
    one, other = socket.socketpair(socket.AF_UNIX, kind)
    return OwnSocket(one), OwnSocket(other)


def _above(descriptor: int) -> int:
    """Move a descriptor to a number that nobody takes for standard output."""
    from fcntl import F_DUPFD_CLOEXEC, fcntl

    try:
        return fcntl(descriptor, F_DUPFD_CLOEXEC, STANDARD)
    finally:
        os.close(descriptor)


class Known:
    """A file that knows whether its number is still its own.

    Attributes:
        descriptor: the number; -1 when it was closed.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._identity = self._look()

    def _look(self) -> tuple[int, int]:
        found = os.fstat(self.descriptor)
        return found.st_dev, found.st_ino

    def is_there(self) -> bool:
        """Return whether the number names this file."""
        try:
            return self.descriptor >= 0 and self._look() == self._identity
        except OSError:
            return False

    def close(self) -> None:
        """Close it, unless the number is another's."""
        is_there, descriptor = self.is_there(), self.descriptor
        self.descriptor = -1
        if is_there:
            os.close(descriptor)


class OwnFile(Known):
    """A file in memory that no folder names.

    Args:
        name: as tools show it.
    """

    def __init__(self, name: str) -> None:
        descriptor = _memory_file(name)
        super().__init__(_above(descriptor) if descriptor < STANDARD else descriptor)


def _memory_file(name: str) -> int:
    # Pythons that are built for old systems have no `memfd_create`.
    if hasattr(os, "memfd_create"):
        try:
            return os.memfd_create(name, os.MFD_CLOEXEC)
        except OSError as error:
            if error.errno not in REFUSED:
                raise
    import tempfile

    problem: OSError | None = None
    for folder in _folders():
        try:
            with tempfile.TemporaryFile(dir=folder) as file:
                return os.dup(file.fileno())
        except OSError as error:
            problem = error
    assert problem is not None
    raise problem


def _folders() -> Iterator[str]:
    """Where a file without a name can be, those in memory first."""
    import tempfile

    yield "/dev/shm"
    yield tempfile.gettempdir()
