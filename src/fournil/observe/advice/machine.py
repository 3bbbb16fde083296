"""What it costs on this machine to send things to another process: measured, once a report."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from time import perf_counter
from typing import NamedTuple

from fournil.observe.advice.sizes import Sent

ITEMS = 20_000
SIZE = 16 << 20


class Machine(NamedTuple):
    """What things cost; times in seconds."""

    dump_s: float = 3e-8  # pickling a number
    load_s: float = 6e-8  # and making it again
    copy_s: float = 1e-9  # a byte into memory that was not used before
    start_s: float = 0.15  # from the first call of a pool of processes until it runs

    def on_loop(self, sent: Sent) -> float:
        """Return how long the loop is busy with what it sends to a process and gets back."""
        objects_s = sent.out.items * self.dump_s + sent.back.items * self.load_s
        return objects_s + _bytes_of(sent) * self.copy_s

    def elsewhere(self, sent: Sent) -> float:
        """Return how much longer a call takes for what it is given and returns."""
        objects_s = sent.out.items * self.load_s + sent.back.items * self.dump_s
        return objects_s + _bytes_of(sent) * self.copy_s * COPIES


def _bytes_of(sent: Sent) -> float:
    whole = sent.out.plus(sent.back)
    return whole.size + whole.items * ITEM_BYTES


ITEM_BYTES = 9
"""A number is so long when it is pickled."""

COPIES = 5
"""So many times the bytes of what is sent are copied off the loop, in all of its way there."""

INTERPRETERS = 9
"""A pool's first call takes as long as so many starts of a bare interpreter."""

TYPICAL = Machine()


def measure() -> Machine:
    """Return what things cost here and now; takes about a tenth of a second."""
    numbers = [number + 0.5 for number in range(ITEMS)]
    data = pickle.dumps(numbers, protocol=5)
    block = bytes(SIZE)
    return Machine(
        dump_s=_seconds(lambda: pickle.dumps(numbers, protocol=5)) / ITEMS,
        load_s=_seconds(lambda: pickle.loads(data)) / ITEMS,
        copy_s=_seconds(lambda: bytearray(block)) / SIZE,
        start_s=_start_of_interpreter() * INTERPRETERS,
    )


def _start_of_interpreter() -> float:
    command = [sys.executable or "python3", "-I", "-S", "-c", ""]
    try:
        return _seconds(lambda: subprocess.run(command, check=False, capture_output=True))
    except (OSError, ValueError):  # none may be started here
        return TYPICAL.start_s / INTERPRETERS


def _seconds(action: Callable[[], object]) -> float:
    # Once: what is sent finds no memory that was used just before, either.
    begin = perf_counter()
    action()
    return perf_counter() - begin
