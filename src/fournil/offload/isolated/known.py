"""Functions and path of modules that one worker knows, and what tells it of others."""

from __future__ import annotations

from fournil._worker.pickling import modules
from fournil._worker.pickling.packing import pack
from fournil._worker.wire import ASK, Ask
from fournil.offload.isolated.functions import Sent
from fournil.offload.isolated.payloads import Payloads


class Known:
    """What one worker was told of; its loop's thread's alone.

    Args:
        payloads: takes what is big.

    Attributes:
        functions: numbers of the functions that it has.
        path: the path of modules that it was told last; None: none.
    """

    def __init__(self, payloads: Payloads) -> None:
        self._payloads = payloads
        self._forgotten: list[int] = []  # functions that it has and need not have
        self.functions: set[int] = set()
        self.path: list[str] | None = None

    def tell_path(self, records: list[bytes]) -> None:
        """Append what has the worker find the modules that are found here."""
        flags, buffers, body = self._payloads.now(*pack(modules.path), records)
        records.append(ASK.pack(Ask.PATH, flags, buffers, 0, 0, len(body)) + body)
        self.path = modules.path

    def tell_function(self, function: Sent, records: list[bytes]) -> None:
        """Append what tells the worker a function, and which others to forget."""
        records += self.to_forget()
        flags, buffers, body = self._payloads.now(function.body, function.buffers, records)
        records.append(ASK.pack(Ask.FUNCTION, flags, buffers, function.number, 0, len(body)) + body)
        self.functions.add(function.number)

    def forget(self, number: int) -> bool:
        """Note that the worker need not know a function; return whether it was told that."""
        if number not in self.functions:
            return False
        self.functions.remove(number)
        self._forgotten.append(number)
        return True

    def to_forget(self) -> list[bytes]:
        """Return what has the worker forget functions."""
        numbers, self._forgotten = self._forgotten, []
        return [ASK.pack(Ask.FORGET, 0, 0, number, 0, 0) for number in numbers]
