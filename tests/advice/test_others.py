"""What this process and its children use of the machine is not taken for others'."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import fournil
from tests.advice.others import Others, own_s

BUSY = """\
import time
while time.process_time() < 0.4:
    pass
"""


def burn() -> None:
    while time.process_time() < 0.4:
        pass


async def burn_in_a_process() -> None:
    await fournil.to_process(burn)


def test_a_child_is_its_own_while_it_runs_and_after() -> None:
    before = own_s()
    with subprocess.Popen([sys.executable, "-c", BUSY + "input()"], stdin=subprocess.PIPE) as child:
        while own_s() < before + 0.35:
            time.sleep(0.01)
        assert child.stdin
        child.stdin.write(b"\n")
    assert own_s() >= before + 0.35


def test_so_are_the_processes_of_a_pool() -> None:
    before = own_s()
    with fournil.Runner() as runner:
        runner.run(burn_in_a_process())
        assert own_s() >= before + 0.35


def test_another_program_is_seen() -> None:
    others = Others()
    # Its parent ends, so that it is nobody's child here.
    started = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {BUSY!r}])"
    subprocess.run([sys.executable, "-c", started], check=True)
    begin = time.perf_counter()
    while others.share * (time.perf_counter() - begin) * os.cpu_count() < 0.3:  # type: ignore[operator]
        time.sleep(0.01)
