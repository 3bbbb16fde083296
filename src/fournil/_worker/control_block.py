"""Control block of a worker: memory that it shares with its parent, and that outlives it.

A worker that is killed tells nobody what it had begun, and takes with it the answers that it had
not sent. Here both stand in memory that its parent sees: so that a death costs the call that ran
and no other, no call runs twice, and calls that a worker has but did not begin can be taken back
while it is busy, whatever it does.

Who writes what, each word in one store:

- The worker: BEGAN, TAIL, CPU and the journal. An answer is written, then TAIL says so, then
  the next call is begun: what BEGAN names and no answer tells of was running.
- The parent: INTERRUPT, COUNTS, and `revoked`, one byte for each call that a worker may have. The
  worker writes BEGAN first and then looks whether the call was revoked, and if so says that it
  skipped it; the parent revokes it, waits for `SETTLED_S`, then looks at BEGAN: so that one of them
  sees the other. A store is seen by other processors within nanoseconds, though none says so by a
  fence: a millisecond is for ever. For the same reason the parent reads of the journal, while its
  worker lives, only what TAIL counted one look before.

CPU is how many nanoseconds of the processor functions took while COUNTS was not 0.
"""

from __future__ import annotations

import os

from fournil._worker.memory.mapping import mapped
from fournil._worker.own import OwnFile

BEGAN, TAIL, INTERRUPT, CPU, COUNTS = range(5)

WINDOW = 1024
"""The most calls that are with a worker, with those taken back that it has not passed."""

SETTLED_S = 0.001

REVOKED_AT = 1024
JOURNAL_AT = 4096
JOURNAL = 1 << 18
LENGTH = JOURNAL_AT + JOURNAL


def new_file() -> OwnFile:
    """Return a file for the memory of one worker; raise OSError if there is no room for it."""
    file = OwnFile("fournil-control-block")
    try:
        # Now and not when it is written to: there is no error then, but a signal that kills.
        os.posix_fallocate(file.descriptor, 0, LENGTH)
    except BaseException:
        file.close()
        raise
    return file


class ControlBlock:
    """Control block of one worker.

    Args:
        descriptor: of its file, which stays open.

    Attributes:
        words: the words above.
        revoked: by a call's number, modulo `WINDOW`: 1, it is not to be begun.
        tail: TAIL, where the worker writes it.
    """

    def __init__(self, descriptor: int) -> None:
        self._memory = mapped(descriptor, LENGTH)
        self._view = memoryview(self._memory)
        self.words = self._view[:REVOKED_AT].cast("Q")
        self.revoked = self._view[REVOKED_AT : REVOKED_AT + WINDOW]
        self.journal = self._view[JOURNAL_AT:]
        self.tail = 0

    def close(self) -> None:
        """Give the memory back: who looks there after this raises ValueError."""
        for view in (self.words, self.revoked, self.journal, self._view):
            view.release()
        self._memory.close()

    def write(self, data: bytes) -> None:
        """Append data to the journal; the last step of this makes all of it seen, at once."""
        position = self.tail
        at = position % JOURNAL
        end = at + len(data)
        if end <= JOURNAL:
            self.journal[at:end] = data
        else:
            cut = JOURNAL - at
            self.journal[at:] = data[:cut]
            self.journal[: end - JOURNAL] = data[cut:]
        self.words[TAIL] = self.tail = position + len(data)

    def read(self, begin: int, end: int) -> bytes:
        """Return what the journal has between two positions, of which it must still have both."""
        at, stop = begin % JOURNAL, end % JOURNAL
        if begin == end:
            return b""
        if at < stop:
            return bytes(self.journal[at:stop])
        return bytes(self.journal[at:]) + bytes(self.journal[:stop])
