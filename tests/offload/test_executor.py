"""pool.executor: a pool for code that wants an executor of `concurrent.futures`."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable

import pytest

import fournil
from tests.offload.functions import Gate, Run, busy, double, fail

Make = Callable[..., fournil.Pool]
Gates = Callable[[], Gate]


def test_run_in_executor(run: Run, make: Make) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with make(workers=2) as pool:
            executor = pool.executor
            assert isinstance(executor, concurrent.futures.Executor)
            assert await loop.run_in_executor(executor, double, 4) == 8
            with pytest.raises(LookupError, match="told"):
                await loop.run_in_executor(executor, fail, "told")
            waits = [loop.run_in_executor(executor, double, n) for n in range(100)]
            assert await asyncio.gather(*waits) == [2 * n for n in range(100)]

    run(main)


def test_from_other_threads(run: Run, make: Make) -> None:
    async def main() -> None:
        async with make(workers=2) as pool:
            shared = pool.executor

            def use() -> None:
                with shared as executor:
                    assert list(executor.map(double, range(100))) == [2 * n for n in range(100)]
                    assert executor.submit(double, 4).result() == 8
                    with pytest.raises(LookupError):
                        executor.submit(fail, "told").result()
                with pytest.raises(RuntimeError, match="after shutdown"):
                    executor.submit(double, 4)

            await asyncio.to_thread(use)

    run(main)


def test_cancelled_by_its_future(run: Run, make: Make, gates: Gates) -> None:
    async def main() -> None:
        async with make(workers=1) as pool:
            executor, gate = pool.executor, gates()
            running = executor.submit(gate.wait)
            await gate.until_reached()
            queued = executor.submit(double, 4)
            assert queued.cancel()
            while pool.statistics().cancelled < 1:
                await asyncio.sleep(0)
            gate.open()
            assert await asyncio.wrap_future(running) is None
            assert pool.statistics().done == 1

    run(main)


def test_cancelled_by_its_awaiter(run: Run, make: Make, gates: Gates) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with make(workers=1) as pool:
            async with busy(pool, gates()):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.001):
                        await loop.run_in_executor(pool.executor, double, 4)
                while pool.statistics().cancelled < 1:
                    await asyncio.sleep(0)

    run(main)


def test_asked_for_in_other_threads(run: Run, make: Make) -> None:
    """As what is raised there says."""

    def use(pool: fournil.Pool) -> int:
        with pytest.raises(fournil.PoolError, match=r"none runs here.* pool\.executor"):
            pool.run(double, 4)
        return pool.executor.submit(double, 4).result()

    async def use_there(pool: fournil.Pool) -> int:
        with pytest.raises(fournil.PoolError, match=r"than the one that.* pool\.executor"):
            await pool.run(double, 4)
        return await asyncio.get_running_loop().run_in_executor(pool.executor, double, 5)

    async def main() -> None:
        async with make(workers=1) as pool:
            assert await asyncio.to_thread(use, pool) == 8
            assert await asyncio.to_thread(asyncio.run, use_there(pool)) == 10
            left: list[concurrent.futures.Executor] = []
            await asyncio.to_thread(lambda: left.append(pool.executor))
        with pytest.raises(fournil.PoolClosedError):
            left[0].submit(double, 4)
        with pytest.raises(fournil.PoolClosedError):
            await asyncio.to_thread(lambda: pool.executor)

    run(main)


def test_before_the_pool_works(make: Make) -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        make(workers=1).executor  # noqa: B018


def test_a_shutdown_leaves_the_pool_open(run: Run, make: Make) -> None:
    async def main() -> None:
        async with make(workers=1) as pool:
            pool.executor.shutdown()
            assert await pool.run(double, 4) == 8

    run(main)


def test_a_shutdown_that_would_wait_for_itself(run: Run, make: Make, gates: Gates) -> None:
    async def main() -> None:
        async with make(workers=1) as pool:
            executor, gate = pool.executor, gates()
            future = executor.submit(gate.wait)
            await gate.until_reached()
            with pytest.raises(fournil.PoolError, match="would wait for 1 calls"):
                executor.shutdown()
            executor.shutdown(wait=False, cancel_futures=True)
            gate.open()
            assert future.cancelled()

    run(main)


def test_a_closed_pool(run: Run, make: Make) -> None:
    async def main() -> None:
        async with make(workers=1) as pool:
            executor = pool.executor
        with pytest.raises(fournil.PoolClosedError, match="is closed: it takes no more calls"):
            executor.submit(double, 4)
        executor.shutdown()

    run(main)


def test_calls_on_their_way_when_the_pool_is_closed(run: Run, make: Make) -> None:
    async def main() -> None:
        pool = make(workers=1)
        executor = pool.executor
        submitted: list[concurrent.futures.Future[int]] = []

        def submit() -> None:
            submitted.extend(executor.submit(double, n) for n in range(3))

        thread = threading.Thread(target=submit)
        thread.start()
        thread.join()  # the loop has no turn meanwhile
        submitted[0].cancel()
        await pool.close()
        for future in submitted[1:]:
            with pytest.raises(fournil.PoolClosedError):
                future.result(timeout=0)
        concurrent.futures.wait(submitted)
        assert pool.statistics().done == 0

    run(main)


def test_a_shutdown_cancels_calls_on_their_way(run: Run, make: Make, gates: Gates) -> None:
    async def main() -> None:
        async with make(workers=1) as pool:
            executor, gate = pool.executor, gates()
            running = pool.run(gate.wait)
            await gate.until_reached()

            def use() -> None:
                futures = [executor.submit(double, n) for n in range(3)]
                executor.shutdown(cancel_futures=True)
                assert all(future.cancelled() for future in futures)

            thread = threading.Thread(target=use)
            thread.start()
            while thread.is_alive():
                await asyncio.sleep(0)
            thread.join()
            gate.open()
            await running

    run(main)
