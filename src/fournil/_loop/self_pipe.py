"""The pipe to which signals of a program are written, and from which its loop reads them.

It is made when a program first handles one; the loop itself is woken by the poller.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from typing import TYPE_CHECKING

from fournil._native.epoll import moved_out_of_the_way

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVarTuple

    from _typeshed import FileDescriptorLike

    from fournil._native.handles import Handle

    Ts = TypeVarTuple("Ts")


class SelfPipe(asyncio.SelectorEventLoop):
    """asyncio's self-pipe, by its names."""

    if TYPE_CHECKING:
        # asyncio's own, which its type stubs leave out.
        _closed: bool
        _internal_fds: int

        def _add_reader(
            self, fd: FileDescriptorLike, callback: Callable[[*Ts], object], *args: *Ts
        ) -> Handle: ...
        def _remove_reader(self, fd: FileDescriptorLike) -> bool: ...
        def _read_from_self(self) -> None: ...

    def _make_self_pipe(self) -> None:
        self._internal_fds += 1
        self._self_pipe: tuple[_KeptAway, _KeptAway] | None = None

    def _open_self_pipe(self) -> tuple[_KeptAway, _KeptAway]:
        one, other = socket.socketpair()
        with one, other:
            self._self_pipe = _KeptAway(one), _KeptAway(other)
        self._add_reader(self._self_pipe[0].fileno(), self._read_from_self)
        return self._self_pipe

    @property
    def _ssock(self) -> socket.socket | None:
        return None if self._closed else (self._self_pipe or self._open_self_pipe())[0]

    @property
    def _csock(self) -> socket.socket | None:
        return None if self._closed else (self._self_pipe or self._open_self_pipe())[1]

    def _close_self_pipe(self) -> None:
        self._internal_fds -= 1
        if self._self_pipe is not None:
            self._remove_reader(self._self_pipe[0].fileno())
            for end in self._self_pipe:
                end.close()


class _KeptAway(socket.socket):
    """A socket with a number that the program has no use for, and which is closed only as itself.

    A program may close what it did not open, and open a file of that number.
    """

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock.family, sock.type, sock.proto, moved_out_of_the_way(sock.detach()))
        self.setblocking(False)
        self._inode = os.fstat(self.fileno()).st_ino

    def close(self) -> None:
        with contextlib.suppress(OSError):
            if os.fstat(self.fileno()).st_ino == self._inode:
                super().close()
                return
        self.detach()
