"""A pool's end, in whatever state it is, and its place: one loop of one process."""

from __future__ import annotations

import asyncio
import gc
import os
import selectors
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import AsyncGenerator, Callable

import pytest

import fournil
from tests.offload.functions import Gate, Run, double, fail
from tests.offload.under_test import KINDS, LOOPS

Make = Callable[..., fournil.Pool]
Gates = Callable[[], Gate]


def test_the_end_of_the_block_waits(run: Run, make: Make, gates: Gates) -> None:
    async def main() -> None:
        gate = gates()
        async with make(workers=1) as pool:
            calls = [pool.run(gate.wait, "last"), pool.run(double, 4)]
            await gate.until_reached()
            gate.open()
        assert [call.result() for call in calls] == ["last", 8]

    run(main)


def test_an_exception_cancels(run: Run, make: Make, gates: Gates) -> None:
    async def main() -> None:
        gate = gates()
        with pytest.raises(LookupError):
            async with make(workers=1) as pool:
                running, queued = pool.run(gate.wait), pool.run(double, 4)
                await gate.until_reached()
                gate.open()
                raise LookupError
        assert running.cancelled()
        assert queued.cancelled()

    run(main)


def test_a_block_that_is_cancelled(run: Run, make: Make, gates: Gates) -> None:
    async def main() -> None:
        gate = gates()

        async def work() -> None:
            async with make(workers=1) as pool:
                await pool.run(gate.wait)

        task = asyncio.create_task(work())
        await gate.until_reached()
        task.cancel()
        gate.open()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main)


def test_a_close_that_is_cancelled_cancels_what_is_left(run: Run, make: Make, gates: Gates) -> None:
    async def main() -> None:
        gate = gates()
        pool = make(workers=1)
        running, queued = pool.run(gate.wait), pool.run(double, 4)
        await gate.until_reached()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await pool.close()
        with pytest.raises(asyncio.CancelledError):
            await queued
        gate.open()
        with pytest.raises(asyncio.CancelledError):
            await running

    run(main)


def test_a_closed_pool(run: Run, make: Make) -> None:
    async def main() -> None:
        pool = make(workers=1)
        assert await pool.run(double, 4) == 8
        await pool.close()
        await pool.close()
        with pytest.raises(fournil.PoolClosedError, match="is closed: it takes no more calls"):
            await pool.run(double, 4)
        with pytest.raises(fournil.PoolClosedError):
            async with pool:
                pass

    run(main)


def test_a_pool_that_was_never_used(run: Run, make: Make) -> None:
    async def main() -> None:
        async with make(workers=1):
            pass
        pool = make(workers=1)
        await pool.close()
        with pytest.raises(fournil.PoolClosedError):
            await pool.run(double, 4)

    run(main)


def test_several_that_close(run: Run, make: Make, gates: Gates) -> None:
    async def main() -> None:
        gate = gates()
        pool = make(workers=1)
        call = pool.run(gate.wait)
        await gate.until_reached()
        closing = [asyncio.create_task(pool.close()) for _ in range(3)]
        await asyncio.sleep(0)
        assert not any(each.done() for each in closing)
        gate.open()
        await asyncio.gather(*closing)
        assert call.done()

    run(main)


def test_calls_end_while_it_closes(run: Run, make: Make) -> None:
    async def main() -> None:
        for _ in range(20):
            async with make(workers=2) as pool:
                calls = [pool.run(double, n) for n in range(20)]
            assert [call.result() for call in calls] == [2 * n for n in range(20)]

    run(main)


def test_another_loop(make: Make) -> None:
    async def use(pool: fournil.Pool) -> None:
        await pool.run(double, 4)

    pool = make(workers=1)
    with asyncio.Runner(loop_factory=LOOPS["fournil"]) as one:
        one.run(use(pool))
        with asyncio.Runner(loop_factory=LOOPS["asyncio"]) as other:
            for what in (use(pool), pool.close()):
                with pytest.raises(fournil.PoolError, match="belongs to another event loop"):
                    other.run(what)
        one.run(pool.close())


def test_no_loop(make: Make) -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        make(workers=1).run(double, 4)


def skip_where_nobody_may_fork(make: Make) -> None:
    if make is KINDS.get("interpreters"):
        pytest.skip("CPython crashes in a child that is forked beside interpreters")


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child(make: Make) -> None:
    skip_where_nobody_may_fork(make)

    async def main() -> int:
        async with make(workers=1) as pool:
            await pool.run(double, 4)
            child = os.fork()
            if child == 0:
                try:
                    pool.run(double, 4)
                except fournil.PoolError as error:
                    os._exit("was forked" in str(error))
                finally:
                    os._exit(2)
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    assert fournil.run(main()) == 1


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_that_runs_the_same_loop(make: Make) -> None:
    skip_where_nobody_may_fork(make)

    async def begin(pool: fournil.Pool) -> None:
        assert await pool.run(double, 4) == 8

    async def go_on(pool: fournil.Pool) -> int:
        try:
            pool.run(double, 4)
        except fournil.PoolError as error:
            return int("was forked" in str(error))
        return 2

    pool = make(workers=1)
    # epoll's instance is shared with a child; a selector of `select` is not.
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
    try:
        loop.run_until_complete(begin(pool))
        child = os.fork()
        if child == 0:
            try:
                os._exit(loop.run_until_complete(go_on(pool)))
            finally:
                os._exit(3)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
        loop.run_until_complete(pool.close())
    finally:
        loop.close()


def throw_away(pools: list[fournil.Pool]) -> None:
    pools.clear()
    # What `gather` made, which holds the calls, is a cycle.
    gc.collect()


def test_one_that_is_thrown_away_open(run: Run, make: Make) -> None:
    async def main() -> None:
        pools = [make(workers=2)]
        await asyncio.gather(*(pools[0].run(double, n) for n in range(50)))
        await asyncio.sleep(0)  # the step that goes on here holds what woke it
        with pytest.warns(ResourceWarning, match="was never closed: use 'async with'"):
            throw_away(pools)

    run(main)


def test_one_that_is_thrown_away_after_its_loop(make: Make) -> None:
    async def use(pool: fournil.Pool) -> None:
        await asyncio.gather(*(pool.run(double, n) for n in range(50)))

    pools = [make(workers=2)]
    asyncio.run(use(pools[0]))
    with pytest.warns(ResourceWarning, match="was never closed"):
        throw_away(pools)


def test_a_program_that_ends_without_closing(make: Make) -> None:
    code = (
        "import asyncio, fournil, time\n"
        "async def main():\n"
        f"    global pool; pool = fournil.{make.__name__}(workers=2)\n"
        "    await pool.run(abs, 1)\n"
        "    global calls; calls = [pool.run(time.sleep, 1000) for _ in range(3)]\n"
        "fournil.run(main())\n"
        "print('ended')\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "ended\n", "")


def test_a_start_that_fails_may_be_tried_again(
    run: Run, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: fournil.Pool) -> None:
        raise OSError("no more of it")

    async def main() -> None:
        pool = make(workers=1)
        with monkeypatch.context() as patched:
            patched.setattr(type(pool), "_start", fail)
            with pytest.raises(OSError, match="no more of it"):
                await pool.run(double, 4)
        async with pool:
            assert await pool.run(double, 4) == 8

    run(main)


def test_its_threads_end(run: Run) -> None:
    async def main() -> None:
        async with fournil.ThreadPool(3) as pool:
            gathered = asyncio.gather(*(pool.run(threading.current_thread) for _ in range(50)))
            threads = set(await gathered)
        for thread in threads:
            thread.join()

    run(main)


def test_its_threads_are_not_woken_once_they_have_ended(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with fournil.ThreadPool(workers=1) as pool:
            thread = await pool.run(threading.current_thread)
            # More calls in one turn than there are workers: the rest wakes them at its end.
            for _ in range(2):
                while not pool._exchange.queue.waiting:
                    time.sleep(0.0001)
                pool.run(int).cancel()
        thread.join()

    run(main)
    assert not caplog.records


def test_threads_start_as_they_are_needed(run: Run, gates: Gates) -> None:
    async def main() -> None:
        async with fournil.ThreadPool(3) as pool:
            assert pool.statistics().workers == ()
            for _ in range(10):
                await pool.run(double, 1)
            assert len(pool.statistics().workers) == 1
            waiting = [gates() for _ in range(5)]
            calls = [pool.run(gate.wait) for gate in waiting]
            assert len(pool.statistics().workers) == 3
            for gate in waiting:
                await gate.until_reached()
                gate.open()
            await asyncio.gather(*calls)

    run(main)


def test_no_thread_can_be_started(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> None:
        async with fournil.ThreadPool(2) as pool:
            with monkeypatch.context() as patched:
                patched.setattr(threading.Thread, "start", refuse)
                with pytest.raises(fournil.PoolError, match="no thread could be started"):
                    await pool.run(double, 4)
            assert pool.statistics().queued == 0
            assert await pool.run(double, 4) == 8
            with monkeypatch.context() as patched:
                patched.setattr(threading.Thread, "start", refuse)
                # One there is does the work.
                assert await asyncio.gather(*(pool.run(double, n) for n in (1, 2))) == [2, 4]

    run(main)


def test_what_a_call_was_given_is_let_go_of(run: Run, make: Make) -> None:
    class Argument:
        pass

    async def main() -> None:
        async with make(workers=1) as pool:
            argument = Argument()
            gone = weakref.ref(argument)
            await pool.run(id, argument)
            del argument
            await pool.run(double, 1)
            gc.collect()
            assert gone() is None

    if make is fournil.ThreadPool:
        run(main)


def test_to_thread(run: Run) -> None:
    async def main() -> None:
        threads = [await fournil.to_thread(threading.current_thread) for _ in range(3)]
        assert len(set(threads)) == 1
        assert threads[0].name == "fournil.to_thread 1"
        assert await asyncio.gather(*(fournil.to_thread(double, n) for n in range(50))) == [
            2 * n for n in range(50)
        ]
        with pytest.raises(LookupError, match="x"):
            await fournil.to_thread(fail, "x")
        mine.extend(threads)

    mine: list[threading.Thread] = []
    run(main)
    # The end of the loop is theirs.
    mine[0].join()
    run(main)


def test_to_thread_while_the_loop_ends(run: Run) -> None:
    """Async generators that are ended with the loop may still use it."""
    said: list[object] = []

    async def numbers() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            for n in range(3):
                said.append(await fournil.to_thread(double, n))
                await asyncio.sleep(0)
            said.append(await fournil.to_thread(threading.current_thread))

    kept: list[AsyncGenerator[int, None]] = []

    async def main() -> None:
        assert await fournil.to_thread(double, 4) == 8
        kept.append(numbers())
        assert await anext(kept[0]) == 1

    run(main)
    *numbers_said, thread = said
    assert numbers_said == [0, 2, 4]
    assert isinstance(thread, threading.Thread)
    thread.join()


def test_to_thread_of_a_loop_that_is_closed_without_a_word() -> None:
    async def main() -> threading.Thread:
        return await fournil.to_thread(threading.current_thread)

    loops = [asyncio.SelectorEventLoop() for _ in range(2)]
    threads = []
    for loop in loops:
        threads.append(loop.run_until_complete(main()))
        loop.close()
    asyncio.run(main()).join()
    for thread in threads:
        thread.join()


def test_to_thread_keeps_no_loop(run: Run) -> None:
    async def main() -> tuple[weakref.ref[asyncio.AbstractEventLoop], threading.Thread]:
        thread = await fournil.to_thread(threading.current_thread)
        return weakref.ref(asyncio.get_running_loop()), thread

    loop, thread = run(main)
    thread.join()
    gc.collect()
    assert loop() is None
