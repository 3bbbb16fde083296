"""The files that a run writes, checked before the program starts."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import stat
import sys
import tempfile
import time
from typing import Self

from fournil.cli.refusal import Refusal
from fournil.record import files, programs
from fournil.record.layout import MAGIC

PRIVATE = "fournil-run-"
SETTLED_S = 60
"""A folder that a run has made is locked by then."""

STANDARD_OUTPUT = "-"


class RecordingFile:
    """The file that a program is recorded into: new, private, and there before the program.

    A recording that is kept grows beside the file that it is for, and takes its place when the
    program was found. So an earlier recording outlives a run that comes to nothing.

    Args:
        kept_as: the file to keep it as, or a folder; None removes it in the end.
        size: of the recording, bytes.

    Attributes:
        final: where the program is to move it, where the program's number may still be missing;
            "" leaves it where it is.
        notes: a folder for notes of the program's processes, removed in the end.
        children: where the program's children record, a path with `%p` in it.
        is_named_late: whether nobody knows its name before the program's number.

    Raises:
        Refusal: there is something else, or the file cannot be written.
    """

    def __init__(self, kept_as: str | None, size: int) -> None:
        self.final = files.path_of(kept_as) if kept_as is not None else ""
        self.is_named_late = files.NUMBER in os.path.basename(self.final)
        self._earlier = programs.number_of(self.final)
        folder = files.folder_with_room(size)
        _sweep(folder)
        prefix = f"{PRIVATE}{os.getpid()}-"
        if kept_as is None:
            self.descriptor, self.path = tempfile.mkstemp(prefix=prefix, dir=folder)
            fcntl.flock(self.descriptor, fcntl.LOCK_SH)
        else:
            try:
                files.check(self.final)
                self.descriptor, self.path = files.new_beside(self.final)
            except OSError as error:
                raise Refusal(f"cannot record into {kept_as}: {error.strerror}") from None
        self._made = os.fstat(self.descriptor)
        self.notes = tempfile.mkdtemp(prefix=prefix, dir=folder)
        self._lock = os.open(self.notes, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self._lock, fcntl.LOCK_SH)
        self.children = _beside(self.final) or os.path.join(self.notes, files.IN_A_FOLDER)

    def begun(self) -> bool:
        """Tell whether the program was recorded: what is no recording yet is of no program."""
        status = os.fstat(self.descriptor)
        if status.st_size == 0:
            return status.st_mtime_ns != self._made.st_mtime_ns  # somebody has emptied it
        return os.pread(self.descriptor, len(MAGIC), 0) == MAGIC

    def found(self) -> str | None:
        """Return where the program's recording is; None when it is gone, as for no program."""
        status = os.fstat(self.descriptor)
        final = files.path_of(self.final, files.writer_of(self.descriptor))
        for path in filter(None, [final, self.path]):
            with contextlib.suppress(OSError):
                if os.path.samestat(status, os.stat(path)):
                    return path
        return None

    def remove_earlier(self) -> None:
        """Remove what children left of the program whose recording this one has replaced."""
        if not self._earlier or self._earlier == programs.number_of(self.final):
            return
        for path in files.matching(self.children):
            with contextlib.suppress(OSError):
                if programs.number_of(path) == self._earlier and not files.is_being_written(path):
                    os.unlink(path)

    def remove(self) -> None:
        """Remove all that is not kept."""
        with contextlib.suppress(OSError):
            os.unlink(self.path)
        _remove_folder(self.notes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()
        os.close(self.descriptor)
        os.close(self._lock)


def check_json(path: str) -> None:
    """Raise Refusal when JSON could not be written to a path."""
    if path == STANDARD_OUTPUT:
        if sys.stdout is None:
            raise Refusal("cannot write JSON to standard output: it is closed")
        return
    try:
        if os.path.lexists(path) and not stat.S_ISREG(os.stat(path).st_mode):
            # To open a pipe would wait for its reader.
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY))
            return
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
            os.unlink(path)
            return
        descriptor = os.open(path, os.O_RDWR)
        try:
            begin = os.pread(descriptor, 1, 0)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise Refusal(f"cannot write JSON to {path}: {error.strerror}") from None
    # An older report begins with a brace, and the program that is to be run does not.
    if begin not in (b"", b"{"):
        raise Refusal(
            f"cannot write JSON to {path}: it is no report, and is not overwritten; give another"
            " name, or remove it"
        )


def _beside(final: str) -> str:
    """Return where the children's recordings go that belong to one which is kept."""
    folder, name = os.path.split(final)
    if not final or files.NUMBER in name:
        return final
    stem, suffix = os.path.splitext(name)
    return os.path.join(folder, f"{stem}.{files.NUMBER}{suffix}")


def _remove_folder(path: str) -> None:
    with contextlib.suppress(OSError):
        for entry in os.scandir(path):
            os.unlink(entry)
        os.rmdir(path)


def _sweep(folder: str) -> None:
    """Remove recordings that runs left which were killed with all that could remove them."""
    for path in glob.glob(os.path.join(glob.escape(folder), f"{PRIVATE}*")):
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                # A run keeps its lock as long as it lives, wherever its process is visible.
                # Before its program starts, the file is empty and the lock may be to come.
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                status = os.fstat(descriptor)
                if stat.S_ISDIR(status.st_mode):
                    if time.time() - status.st_mtime > SETTLED_S:
                        _remove_folder(path)
                elif status.st_size:
                    os.unlink(path)
            finally:
                os.close(descriptor)
