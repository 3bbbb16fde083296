"""Calls that write to what is their worker's own, and workers that say what cannot be."""

from __future__ import annotations

import asyncio
import os
import random
import re
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

import fournil
from fournil._worker.control_block import BEGAN, CPU, TAIL
from fournil._worker.wire import ANSWER, Answer
from tests.offload.functions import Run, double


def sockets() -> list[int]:
    """Return the descriptors of this process that are sockets."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            is_socket = stat.S_ISSOCK(os.fstat(int(name)).st_mode)
        except OSError:
            continue
        if is_socket and int(name) > 2:
            found.append(int(name))
    return found


def write(data: bytes) -> None:
    for descriptor in sockets():
        os.write(descriptor, data)


def write_long(data: bytes) -> None:
    """Write more than a pool takes at once."""
    for descriptor in sockets():
        with socket.socket(fileno=os.dup(descriptor)) as stream:
            stream.setblocking(False)
            try:
                while True:
                    stream.send(data)
            except OSError:
                pass


def record(kind: int, number: int, size: int) -> bytes:
    return ANSWER.pack(kind, 0, 0, number, size, 0, 0)


SENT = {
    "one byte": b"x",
    "zeros": bytes(200),
    "a line of text": b"a line of text that was meant for standard output\n" * 20,
    "noise": random.Random(1).randbytes(4000),
    "a value of no call": record(Answer.VALUE, 99, 0),
    "an error of no call": record(Answer.ERROR, 99, 0),
    "memory that is not there": record(Answer.SEGMENT, 1, 8) + bytes(8),
    "memory taken back": record(Answer.WITHDRAWN, 7, 0),
    "memory given back": record(Answer.RETURNED, 7, 0),
    "a long record": record(Answer.VALUE, 1, (1 << 32) - 1),
    "a log record": record(Answer.LOG, 0, 5) + b"12345",
    "a broken initializer": record(Answer.BROKEN, 0, 0),
}


@pytest.mark.parametrize("name", SENT)
def test_a_call_that_writes_to_the_channel(run: Run, name: str) -> None:
    """That call is told, at most those that its worker had; the next works."""

    async def main() -> None:
        async with fournil.ProcessPool(1) as pool:
            assert await pool.run(double, 1) == 2
            for _ in range(2):
                with pytest.raises(fournil.WorkerDied, match="not its own"):
                    await pool.run(write, SENT[name])
                assert await pool.run(double, 4) == 8

    run(main)


@pytest.mark.parametrize("seed", range(20))
def test_noise(run: Run, seed: int) -> None:
    numbers = random.Random(seed)

    async def main() -> None:
        async with fournil.ProcessPool(2) as pool:
            for _ in range(3):
                noise = numbers.randbytes(numbers.choice((1, 30, 33, 100, 5000)))
                calls: list[asyncio.Future[Any]] = [pool.run(double, n) for n in range(20)]
                calls.append(pool.run(numbers.choice((write, write_long)), noise))
                calls += [pool.run(double, n) for n in range(20)]
                for end in await asyncio.gather(*calls, return_exceptions=True):
                    assert not isinstance(end, BaseException) or isinstance(end, fournil.WorkerDied)
                assert await pool.run(double, 4) == 8

    run(main)


def lie(word: int, value: int) -> None:
    """Write to the control_block, as C code may that writes past the end of what is its own."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        if "memfd:fournil-control-block" in line:
            begin = int(re.split("[- ]", line)[0], 16)
            with open("/proc/self/mem", "r+b", buffering=0) as memory:
                memory.seek(begin + 8 * word)
                memory.write(value.to_bytes(8, "little"))


@pytest.mark.parametrize("value", [0, 1, 1 << 40, (1 << 64) - 1])
@pytest.mark.parametrize("word", [BEGAN, TAIL, CPU])
def test_a_ledger_that_lies(run: Run, word: int, value: int) -> None:
    """What is told of the calls may be wrong, but none waits for ever."""

    async def main() -> None:
        async with fournil.ProcessPool(1) as pool:
            calls: list[asyncio.Future[Any]] = [pool.run(lie, word, value)]
            calls += [pool.run(double, n) for n in range(50)]
            for end in await asyncio.gather(*calls, return_exceptions=True):
                assert not isinstance(end, BaseException) or isinstance(end, fournil.WorkerDied)
            assert await pool.run(double, 4) == 8

    run(main)
