"""What shared memory takes, and when it is given back."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fournil
from fournil._worker.memory import shares
from fournil.offload import shared
from tests.offload.travellers import keep, let_go, look
from tests.offload.under_test import ISOLATED, engine_of, use

pytestmark = pytest.mark.usefixtures("nothing_shared_is_left")

SIZE = 20_000
"""Items of what is shared: more than go with a call."""


def descriptors(process: int | None = None) -> int:
    process = process or os.getpid()
    return len(os.listdir(f"/proc/{process}/fd"))


def in_files() -> int:
    """Return how much memory all that is shared takes."""
    file = shared._file
    return 0 if file is None else os.fstat(file.descriptor).st_blocks * 512


def total(values: Any) -> int:
    return sum(int(value[0]) for value in values)


@pytest.mark.parametrize("kind", ISOLATED)
def test_a_thousand_arrays(kind: str) -> None:
    async def main() -> None:
        async with ISOLATED[kind](workers=1) as pool:
            assert await pool.run(total, []) == 0
            [worker] = engine_of(pool).live.values()
            before = descriptors(), descriptors(worker.pid)
            values = [fournil.share(bytes([number % 256]) * 40_000) for number in range(1000)]
            assert await pool.run(total, values) == sum(number % 256 for number in range(1000))
            after = descriptors(), descriptors(worker.pid)
            assert max(now - then for now, then in zip(after, before, strict=True)) <= 2
            assert in_files() == 1000 * 40_960
            del values[500:]
            while in_files() > 500 * 40_960:
                gc.collect()
                await asyncio.sleep(0)
            assert await pool.run(total, values) == sum(number % 256 for number in range(500))

    fournil.run(main())


@pytest.mark.parametrize("kind", ISOLATED)
def test_memory_is_given_back_when_the_last_lets_go_and_not_before(kind: str) -> None:
    async def main() -> None:
        async with ISOLATED[kind](workers=1) as pool:
            other = fournil.share(b"abc" * 40_000)
            value = fournil.share(b"xyz" * 40_000)
            await pool.run(keep, value)
            both = in_files()
            del value
            gc.collect()
            assert await pool.run(look) == [b"xyz"], "the worker has it still"
            assert in_files() == both
            await pool.run(let_go)
            while in_files() == both:
                await asyncio.sleep(0)
            assert bytes(other[:3]) == b"abc"
            await pool.run(keep, other)
            del other
            gc.collect()
            assert in_files() == both // 2
        assert in_files() == 0, "the worker is gone"

    fournil.run(main())


def test_a_worker_that_dies_lets_go() -> None:
    async def main(pool: fournil.ProcessPool) -> None:
        value = fournil.share(bytes(100_000))
        await pool.run(keep, value)
        del value
        with pytest.raises(fournil.WorkerDied):
            await pool.run(os._exit, 3)
        gc.collect()
        assert in_files() == 0

    use(main)


def test_results_that_are_kept_take_no_descriptors() -> None:
    async def main(pool: fournil.ProcessPool) -> None:
        assert await pool.run(total, []) == 0
        [worker] = engine_of(pool).live.values()
        before = descriptors(), descriptors(worker.pid)
        results = [await pool.run(np.full, SIZE, number) for number in range(100)]
        after = descriptors(), descriptors(worker.pid)
        assert max(now - then for now, then in zip(after, before, strict=True)) <= 2
        assert [int(result[-1]) for result in results] == list(range(100))

    use(main)


def test_no_room_is_said() -> None:
    """The file may grow no more; parts that were given back make room in another."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3 << 20, limits[1]))
    try:
        values = [fournil.share(np.full(1 << 17, number)) for number in range(8)]
        assert [int(value[-1]) for value in values] == list(range(8))
        with pytest.raises(
            fournil.PoolError, match=r"no shared memory for the 8,388,608 bytes .*; share less, or"
        ):
            fournil.share(np.zeros(1 << 20))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [int(value[-1]) for value in values] == list(range(8))


def test_a_descriptor_that_is_another_files(tmp_path: Path) -> None:
    """Programs close all descriptors, and use the numbers: what was shared is copied then."""

    async def main(pool: fournil.ProcessPool) -> None:
        value = fournil.share(np.full(SIZE, 1))
        assert shared._file is not None
        number = shared._file.descriptor
        with (tmp_path / "other").open("w+b", 0) as other:
            other.write(b"its own")
            os.dup2(other.fileno(), number)
            assert await pool.run(np.sum, value) == SIZE
            more = fournil.share(np.full(SIZE, 2))
            assert await pool.run(np.sum, more) == 2 * SIZE
            assert value.sum() == SIZE
            del value, more
            while shares.spans or in_files():
                gc.collect()
                await asyncio.sleep(0)
            assert os.path.samestat(os.fstat(number), os.fstat(other.fileno()))
            assert (tmp_path / "other").read_bytes() == b"its own"
        os.close(number)

    use(main)


def test_a_forked_child_has_it_as_it_was() -> None:
    """It lets go of nothing that is its parent's, and shares in a file of its own."""
    code = """
import gc, os
import numpy as np
import fournil
from fournil.offload import shared

one = fournil.share(np.full(100_000, 1.0))
two = fournil.share(np.full(100_000, 2.0))
gone, let_go = os.pipe()
child = os.fork()
if not child:
    os.read(gone, 1)
    assert one.sum() == 100_000
    del two
    three = fournil.share(np.full(100_000, 3.0))
    assert (one.sum(), three.sum()) == (100_000, 300_000)

    async def main():
        async with fournil.ProcessPool(1) as pool:
            return [await pool.run(np.sum, value) for value in (one, three)]

    assert fournil.run(main()) == [100_000, 300_000]
    del one, three
    gc.collect()
    assert shared._file is None
    os._exit(0)
del one
gc.collect()
os.write(let_go, b"x")
four = fournil.share(np.full(100_000, 4.0))
assert os.waitpid(child, 0)[1] == 0
assert (two.sum(), four.sum()) == (200_000, 400_000)
del two, four
gc.collect()
assert shared._file is None
print("ok")
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("ok\n", "")


FORKS = """
import asyncio, gc, os, sys
import numpy as np
import fournil

def child_reads(values, gone, wanted):
    # The child looks at the values when it is told.
    child = os.fork()
    if not child:
        os.read(gone, 1)
        os._exit(0 if all(int(value.sum()) == wanted for value in values) else 1)
    return child

def work(values):
    gone, let_go = os.pipe()
    return child_reads([values], gone, 40_000), let_go

def look(child, let_go):
    os.write(let_go, b"x")
    return os.waitpid(child, 0)[1]

async def main():
    async with fournil.ProcessPool(1) as pool:
        # Of results, in memory that the worker lends.
        result = await pool.run(np.full, 20_000, 1)
        gone, let_go = os.pipe()
        child = child_reads([result], gone, 20_000)
        del result
        gc.collect()
        for number in range(5):
            await pool.run(np.full, 20_000, 100 + number)
        print(look(child, let_go))
        # Of arguments, in memory that the program lends, and of what is shared.
        for make in (lambda number: np.full(20_000, number), share):
            child, let_go = await pool.run(work, make(2))
            for number in range(5):
                gc.collect()
                await pool.run(len, make(100 + number))
            print(await pool.run(look, child, let_go))

def share(number):
    return fournil.share(np.full(20_000, number))

fournil.run(main())
"""


def test_a_child_that_was_forked_meanwhile_has_what_there_was(tmp_path: Path) -> None:
    """Memory that it may look at is not used again, on neither side."""
    script = tmp_path / "script.py"
    script.write_text(FORKS)
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", script],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("0\n0\n0\n", "")


def test_threads_share_and_let_go_at_once() -> None:
    def share(number: int) -> None:
        for count in range(50):
            value = fournil.share(np.full(SIZE, number * count))
            assert int(value[-1]) == number * count
            failed[number] -= 1

    failed = [50] * 4
    threads = [threading.Thread(target=share, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == [0] * 4
