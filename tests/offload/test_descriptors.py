"""A pool's descriptors and memory: none left for a worker, closed or replaced behind the pool,
given back.
"""

from __future__ import annotations

import asyncio
import gc
import os
import re
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

import fournil
from fournil._worker.starting.interpreter import Stream
from tests.offload.functions import Run, double
from tests.offload.under_test import ISOLATED, engine_of

Make = Callable[..., fournil.Pool]


@pytest.fixture(params=ISOLATED)
def make_isolated(request: pytest.FixtureRequest) -> Make:
    """Make a pool whose workers share no objects with the program, of each kind in turn."""
    return ISOLATED[request.param]


def opened() -> set[int]:
    """Return the descriptors of this process."""
    found = {int(name) for name in os.listdir("/proc/self/fd")}
    return {descriptor for descriptor in found if is_open(descriptor)}  # not of the look itself


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def mapped() -> int:
    """Return how many files in memory of ours this process has mapped."""
    return Path("/proc/self/maps").read_text().count("memfd:fournil")


@contextmanager
def no_more_than(left: int) -> Iterator[None]:
    """Leave room for so many more descriptors during the block."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(opened()) + 1 + left, before[1]))
    taken: list[int] = []
    try:
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        pass
    try:
        for descriptor in taken[len(taken) - left :]:
            os.close(descriptor)
        del taken[len(taken) - left :]
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for descriptor in taken:
            os.close(descriptor)


@pytest.mark.parametrize("left", range(14))
def test_none_left_for_the_first_worker(run: Run, make_isolated: Make, left: int) -> None:
    async def main() -> None:
        async with make_isolated(1) as pool:
            before = opened()
            try:
                with no_more_than(left):
                    # There is room for it from some number on.
                    await pool.run(double, 1)
            except fournil.PoolError as error:
                reason = str(error)
                assert opened() == before
            else:
                reason = ""
            if reason and make_isolated is ISOLATED.get("interpreters"):
                # CPython opens modules for a new one, and tells not what kept it from that.
                assert re.search("Too many open files|interpreter creation failed", reason)
            else:
                assert "Too many open files" in reason or (not reason and left > 3)
            assert await pool.run(double, 2) == 4

    run(main)


@pytest.mark.parametrize("left", range(14))
def test_none_left_for_the_pool(run: Run, make_isolated: Make, left: int) -> None:
    async def main() -> None:
        before = opened()
        reason = ""
        try:
            with no_more_than(left):
                async with make_isolated(1):
                    pass
        except fournil.PoolError as error:
            reason = str(error)
        assert "Too many open files" in reason or not reason
        assert opened() == before
        async with make_isolated(1) as other:
            assert await other.run(double, 2) == 4

    run(main)


def test_none_left_for_a_second_worker(run: Run, make_isolated: Make, gates: Any) -> None:
    """The calls are run by the worker that there is, and later by two."""

    async def main() -> None:
        async with make_isolated(2) as pool:
            assert await pool.run(double, 1) == 2
            with no_more_than(2):
                assert await asyncio.gather(*map(pool.run, [double] * 20, range(20))) == [
                    2 * n for n in range(20)
                ]
            gate = gates()
            held = pool.run(gate.wait, 3)
            await gate.until_reached()
            assert await pool.run(double, 5) == 10
            gate.open()
            assert await held == 3

    run(main)


def close_all(descriptors: set[int], path: Path) -> None:
    for descriptor in descriptors:
        # An interpreter, whose descriptors are here too, may notice, and close one itself.
        with suppress(OSError):
            os.close(descriptor)


def replace_all(descriptors: set[int], path: Path) -> None:
    with path.open("w+b") as file:
        for descriptor in descriptors:
            os.dup2(file.fileno(), descriptor)


@pytest.mark.parametrize("take_away", [close_all, replace_all])
def test_taken_away_behind_the_pool(
    make: Make, tmp_path: Path, take_away: Callable[[set[int], Path], None]
) -> None:
    """Some calls may fail, and say so; others go on, and what is there now is left alone."""
    file = tmp_path / "file"

    async def main() -> None:
        before = opened()
        pool = make(1)
        async with pool:
            assert await pool.run(double, 1) == 2
            theirs = opened() - before
            take_away(theirs, file)
            failed = 0
            for number in range(20):
                try:
                    assert await pool.run(double, number) == 2 * number
                except (fournil.PoolError, fournil.WorkerDied):
                    failed += 1
            assert failed <= 2
        if take_away is replace_all:
            assert all(map(is_open, theirs))
            for descriptor in theirs:
                os.close(descriptor)
            assert not file.stat().st_size
        assert opened() == before

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(main())


def test_an_interpreter_reads_nothing_of_the_one_that_has_its_number_now() -> None:
    stream, parent = map(Stream, socket.socketpair())
    with stream, parent:
        parent.send(b"first")
        room = bytearray(10)
        assert stream.recv_into(room) == 5
        theirs, ours = socket.socketpair()
        with theirs, ours:
            os.dup2(theirs.fileno(), stream.fileno())
            ours.send(b"start")
            assert stream.recv_into(room) == 0
            assert theirs.recv(10) == b"start"
            os.close(stream.fileno())


@pytest.mark.parametrize("take_away", [close_all, replace_all])
def test_taken_away_while_a_call_runs(
    tmp_path: Path, gates: Any, take_away: Callable[[set[int], Path], None]
) -> None:
    """Who waits for the call is told, and the worker is not left behind."""
    file = tmp_path / "file"

    async def main() -> None:
        before = opened()
        async with fournil.ProcessPool(1) as pool:
            gate = gates()
            call = pool.run(gate.wait)
            await gate.until_reached()
            (process,) = (worker.pid for worker in engine_of(pool).live.values())
            theirs = opened() - before
            take_away(theirs, file)
            with pytest.raises(fournil.WorkerDied, match="closed descriptors of its pool"):
                await call
            assert await pool.run(double, 4) == 8
            while Path(f"/proc/{process}").exists():
                await asyncio.sleep(0.001)
        if take_away is replace_all:
            for descriptor in theirs:
                os.close(descriptor)
            assert not file.stat().st_size
        assert opened() == before

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(main())


def close_those_of_the_worker() -> None:
    os.closerange(3, 1 << 16)


def replace_those_of_the_worker(path: Path) -> None:
    with path.open("wb") as file:
        replaced = opened() - {0, 1, 2, file.fileno()}
        for descriptor in replaced:
            os.dup2(file.fileno(), descriptor)


def test_a_call_that_closes_what_its_worker_has(run: Run) -> None:
    async def main() -> None:
        async with fournil.ProcessPool(1) as pool:
            for _ in range(3):
                await pool.run(close_those_of_the_worker)
                assert await pool.run(double, 4) == 8

    run(main)


def test_a_call_that_replaces_what_its_worker_has(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "file"

    async def main() -> None:
        async with fournil.ProcessPool(1) as pool:
            for _ in range(3):
                await pool.run(replace_those_of_the_worker, file)
                assert await pool.run(double, 4) == 8
                assert not file.stat().st_size

    run(main)


def big(size: int) -> bytearray:
    return bytearray(size)


def test_ended_workers_give_all_back_at_once(run: Run, make_isolated: Make) -> None:
    async def main() -> None:
        async with make_isolated(1, max_tasks_per_child=1) as pool:
            gc.collect()
            gc.disable()
            try:
                counts = []
                for _ in range(12):
                    assert len(await pool.run(big, 1 << 20)) == 1 << 20
                    counts.append((len(opened()), mapped()))
                # A worker that was told to end may be there still.
                (descriptors, maps), (now, mapped_now) = counts[1], counts[-1]
                assert now <= descriptors + 9
                assert mapped_now <= maps + 3
            finally:
                gc.enable()

    run(main)
