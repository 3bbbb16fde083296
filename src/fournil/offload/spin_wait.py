"""Spin wait of a worker: it looks for its next call before it sleeps."""

from __future__ import annotations

from collections.abc import Sized
from typing import Protocol


class SpinWait(Protocol):
    """Place where one worker spins; others that come meanwhile are sent away."""

    def look(self, ns: int, calls: Sized, /) -> bool | None:
        """Wait to be called, for at most so many nanoseconds.

        Args:
            ns: how long.
            calls: what is to be looked for; if there is some already, this returns at once.

        Returns:
            whether there may be some now; None if other threads wanted the processor.
        """

    def call(self) -> bool:
        """Call who looks; return False if nobody does, or was called already."""


class NoSpinWait:
    """Spin wait where nobody spins."""

    def look(self, ns: int, calls: Sized, /) -> bool:
        return False

    def call(self) -> bool:
        return False


def new_spin_wait() -> SpinWait:
    """Return a spin wait, one where nobody looks where there are no native modules."""
    try:
        from fournil._native import spin_wait
    except ImportError:
        return NoSpinWait()  # Cython's modules do not load in interpreters beside the main one
    return spin_wait.SpinWait()
