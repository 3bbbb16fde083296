"""A worker in a fresh interpreter."""

from __future__ import annotations

import os
import signal
from importlib import import_module

from fournil._worker.starting.command import start_of
from fournil._worker.worker import ignore, work

TYPE_CHECKING = False  # typing takes longer to import than all else
if TYPE_CHECKING:
    from typing import Any, NoReturn


def main(file: int, told: dict[str, Any], number: int, *descriptors: int) -> NoReturn:
    """Be a worker.

    Args:
        file: the descriptor of what stands in `told`.
        told: what all workers need to know.
        number: the worker's.
        descriptors: the worker's.
    """
    os.close(file)
    # Before the imports: Ctrl-C reaches all processes of a terminal.
    signal.signal(signal.SIGINT, ignore)
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    start_of(told)
    for name in told["preload"]:
        import_module(name)
    work(number, list(descriptors), told)
