"""What it costs on this machine to send things to another process: measured, once a report.

And how many cores others keep busy meanwhile, which is as it was in a run that has just ended.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from time import perf_counter
from typing import NamedTuple

from fournil.observe.advice.sizes import Sent

ITEMS = 200_000
SIZE = 16 << 20


class Machine(NamedTuple):
    """What things cost; times in seconds."""

    dump_s: float = 3e-8  # pickling a number
    load_s: float = 6e-8  # and making it again
    copy_s: float = 1e-9  # a byte into memory that was not used before
    start_s: float = 0.15  # how long the first call takes of a pool of processes
    start_on_loop_s: float = 0.04  # of that, how long the loop is busy
    others: float | None = None  # how many cores other programs keep busy; None: not known

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

FIRST_CALL = """\
import asyncio, time, fournil

async def main():
    begin = time.perf_counter()
    call = asyncio.create_task(fournil.to_process(abs, -1))
    await asyncio.sleep(0)
    on_loop = time.perf_counter() - begin
    await call
    print(time.perf_counter() - begin, on_loop)

asyncio.run(main())
"""
"""A program that makes the first call of its pool of processes, and tells how long that took."""

LONGEST_S = 10.0
"""A first call that takes longer is not waited for."""

TYPICAL = Machine()


def measure() -> Machine:
    """Return what things cost here and now; takes about a third of a second."""
    numbers = [number + 0.5 for number in range(ITEMS)]
    data = pickle.dumps(numbers, protocol=5)
    block = bytes(SIZE)
    others = _Others()
    start_s, start_on_loop_s = _first_call()
    return Machine(
        dump_s=_seconds(lambda: pickle.dumps(numbers, protocol=5)) / ITEMS,
        load_s=_seconds(lambda: pickle.loads(data)) / ITEMS,
        copy_s=_seconds(lambda: bytearray(block)) / SIZE,
        start_s=start_s,
        start_on_loop_s=start_on_loop_s,
        others=others.cores(),
    )


def _first_call() -> tuple[float, float]:
    """Return how long the first call of a pool of processes takes, and its loop is busy."""
    # Without the current folder, whose modules may have any name.
    command = [sys.executable or "python3", "-P", "-c", FIRST_CALL]
    try:
        done = subprocess.run(
            command, check=True, timeout=LONGEST_S, stdin=subprocess.DEVNULL, capture_output=True
        )
        start_s, on_loop_s = map(float, done.stdout.split())
    except (OSError, ValueError, subprocess.SubprocessError):  # none may be started here
        return TYPICAL.start_s, TYPICAL.start_on_loop_s
    return start_s, on_loop_s


class _Others:
    """Counts from now on what other programs use of the cores."""

    def __init__(self) -> None:
        self._since = perf_counter()
        self._used_s = self._by_others()

    def cores(self) -> float | None:
        """Return how many cores others kept busy since; None: the system does not tell."""
        used_s = self._by_others()
        if used_s is None or self._used_s is None:
            return None
        return max(0.0, used_s - self._used_s) / (perf_counter() - self._since)

    @staticmethod
    def _by_others() -> float | None:
        try:
            with open("/proc/stat", encoding="ascii") as file:
                words = file.readline().split()
            user, nice, system, _, _, interrupts, more, stolen = map(int, words[1:9])
        except (OSError, ValueError):
            return None
        ticks = user + nice + system + interrupts + more + stolen
        ours = os.times()
        ours_s = ours.user + ours.system + ours.children_user + ours.children_system
        return ticks / os.sysconf("SC_CLK_TCK") - ours_s


def _seconds(action: Callable[[], object]) -> float:
    # Once: what is sent finds no memory that was used just before, either.
    begin = perf_counter()
    action()
    return perf_counter() - begin
