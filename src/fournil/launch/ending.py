"""How the program ended, as its parent sees it; told in the recording, to whoever reads that.

The kernel tells a parent the status or the signal that a process ended with. It does not tell
that the program was replaced by another one before (exec), from whichever thread, in Python
or in C. But the program alone maps its recording, exec drops all mappings, and inotify tells
when the last one of a file was dropped: then, or else when the process ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import struct
from _thread import get_native_id

from fournil.record import kinds
from fournil.record.layout import HEADER, HEADER_SIZE, MAGIC

IN_CLOSE_WRITE = 8
"""The last mapping that could be written through was dropped, or the last descriptor closed."""

F_SETOWN_EX, F_OWNER_TID = 15, 0
"""Who gets the signals of a descriptor: a thread. They are not in Python's `fcntl`."""

LONGEST_NAME = 15
"""So many bytes the kernel keeps of a process's name."""

NATIVE = os.fsencode(os.path.realpath(f"{os.path.dirname(__file__)}/../_native") + "/")
"""Where the modules are that the recorder is made of."""

_libc = ctypes.CDLL(None)


class Ending:
    """Sees how the process ends that a recording is of, and writes that into the recording.

    Made before the process, in the thread of its parent that has blocked `SIGNAL` and takes it.

    Args:
        path: the recording's file.
        descriptor: of the same file, for reading and writing; it stays its owner's.
        executable: what the process is started with.
    """

    SIGNAL = signal.SIGIO
    """Sent by the kernel each time that a mapping was dropped."""

    def __init__(self, path: str, descriptor: int, executable: str) -> None:
        self._recording = descriptor
        self._name = os.fsencode(os.path.basename(executable))[:LONGEST_NAME]
        self._replaced = False
        # Without inotify, or with no instance of it left to this user, `ended` knows less.
        self._drops = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._drops >= 0:
            _libc.inotify_add_watch(self._drops, os.fsencode(path), IN_CLOSE_WRITE)
            # To this thread and no other, which may not have blocked it, and die of it.
            owner = struct.pack("ii", F_OWNER_TID, get_native_id())
            fcntl.fcntl(self._drops, F_SETOWN_EX, owner)
            fcntl.fcntl(self._drops, fcntl.F_SETFL, os.O_NONBLOCK | os.O_ASYNC)

    def dropped(self, process: int) -> None:
        """A mapping of the recording was dropped: look whether the process goes on without it."""
        with contextlib.suppress(OSError):  # another drop was read together with this one
            os.read(self._drops, 4096)
        header = self._header()
        # A process that ends has no mappings left. One that goes on may drop its recording too,
        # and keeps what it recorded by.
        mapped = _mapped_files(process)
        own = os.fstat(self._recording).st_ino
        goes_on = any(inode == own or path.startswith(NATIVE) for inode, path in mapped)
        if mapped and not goes_on and header is not None and not header["ended_ticks"]:
            self._replaced = True
            self._tell(kinds.END_REPLACED)

    def ended(self, process: int) -> bool:
        """Write down how the process ended, and return whether it has; it is still waited for."""
        how = os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if how is not None:
            self._tell_how(process, how)
        return how is not None

    def _tell_how(self, process: int, how: os.waitid_result) -> None:
        if (header := self._header()) is None:
            return
        exited = how.si_code == os.CLD_EXITED
        if not self._replaced and not header["ended_ticks"]:
            replaced = self._was_replaced(process, header["watch_signal"])
            if replaced is None and exited:
                return  # by what, the program or another, is not known
            self._replaced = bool(replaced)
        end = kinds.END_EXITED if exited else kinds.END_KILLED
        self._tell(end | (kinds.END_REPLACED if self._replaced else 0), how.si_status)

    def _was_replaced(self, process: int, watch_signal: int) -> bool | None:
        """Tell whether what took the place of the program ended before we could look.

        None: there is no `/proc`, or too little of the process in it.
        """
        # Exec renames a process, and resets the signals that it handles; a program may do either
        # of the two itself. The watch's signal is handled until the recording is closed.
        try:
            name, handled = _name_and_signals(process)
        except OSError:
            return None
        if name == self._name:
            return False
        return not handled >> (watch_signal - 1) & 1 if watch_signal else None

    def close(self) -> None:
        """Send no signal any more."""
        if self._drops >= 0:
            os.close(self._drops)
            self._drops = -1

    def _header(self) -> dict[str, int] | None:
        """Return the recording's header; None where there is no recording, or none any more."""
        data = os.pread(self._recording, HEADER_SIZE, 0)
        if len(data) < HEADER_SIZE or not data.startswith(MAGIC):
            return None
        return HEADER.unpack(data)

    def _tell(self, end: int, code: int = 0) -> None:
        with contextlib.suppress(OSError):  # the file system may be full or gone
            os.pwrite(self._recording, struct.pack("<II", end, code), HEADER.offset("end"))


def _mapped_files(process: int) -> set[tuple[int, bytes]]:
    """Return the files that a process maps, by inode and path; none where it ends or hides it."""
    try:
        with open(f"/proc/{process}/maps", "rb") as maps:
            files = [line.rstrip(b"\n").split(None, 5)[4:] for line in maps]
    except OSError:
        return set()
    return {(int(file[0]), file[1]) for file in files if len(file) == 2}


def _name_and_signals(process: int) -> tuple[bytes, int]:
    """Return what the kernel calls a process, and the signals that it handles, a bit each."""
    with open(f"/proc/{process}/status", "rb") as status:
        fields = dict(line.rstrip(b"\n").split(b":\t", 1) for line in status)
    return fields[b"Name"], int(fields[b"SigCgt"], 16)
