"""Keeps `os.fork` from warning of the watch's thread, since CPython 3.12.

It warns of a fork of a process with threads, whose locks a child may find taken. It counts
the kernel's threads, and so counts the watch, which is not Python's, takes no lock of the
program's, and is made for forks.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
import warnings
from collections.abc import Callable
from typing import TypeVar

Forked = TypeVar("Forked")


def install() -> None:
    """Make forks of a program that has no threads of its own warn of nothing."""
    if sys.version_info >= (3, 12):
        os.fork = _without_warning(os.fork)
        os.forkpty = _without_warning(os.forkpty)


def _without_warning(fork: Callable[[], Forked]) -> Callable[[], Forked]:
    @functools.wraps(fork)
    def forked() -> Forked:
        # The filters are the whole process's: with other threads they must not change.
        if threading.active_count() > 1:
            return fork()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return fork()

    return forked
