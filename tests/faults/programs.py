"""Programs under load that are ended from outside: they must leave nothing behind."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

PROGRAM = """
import asyncio, os, sys, time
import fournil

def work(number):
    if number < 2:
        print(os.getpid(), os.getppid(), flush=True)
    end = time.perf_counter() + 0.002
    while time.perf_counter() < end:
        pass
    return number

async def main():
    async with fournil.ProcessPool(2, grace=0.1) as pool:
        async for number in pool.map(work, range(10**9)):
            pass

asyncio.run(main())
"""

GONE_S = 10.0
"""How long processes may take to be gone once their parent is."""


def end_a_program(number: int, numbers: random.Random) -> None:
    """Start a program with a pool at work, send it a signal, and see that all of it is gone."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        processes = {int(n) for _ in range(2) for n in program.stdout.readline().split()}
        time.sleep(numbers.random() * 0.02)
        sent = time.monotonic()
        program.send_signal(number)
        error = program.stderr.read()
        program.wait()
        took = time.monotonic() - sent
    for process in processes:
        while is_there(process):
            assert time.monotonic() - sent < GONE_S, f"process {process} lives on"
            time.sleep(0.001)
    if number == signal.SIGINT:
        assert program.returncode == -signal.SIGINT
        # asyncio's own: the interrupt, and the cancellation that it came from.
        assert error.count("Traceback (most recent call last)") == 2, error
        assert error.rstrip().endswith("KeyboardInterrupt"), error
        assert took < GONE_S
    else:
        assert program.returncode == -number
        assert error == ""


def is_there(process: int) -> bool:
    """Return whether a process is there that has not ended."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


PROGRAMS = {
    "the_parent_is_killed": signal.SIGKILL,
    "the_parent_is_interrupted": signal.SIGINT,
}
