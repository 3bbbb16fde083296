"""What goes to another process, and what comes back."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fournil
from tests.offload.functions import Run, add, double
from tests.offload.travellers import OWN_NAME, Oven, refuse_outside
from tests.offload.under_test import engine_of, use


def test_what_pickle_refuses() -> None:
    class Loaf:
        def __init__(self, flour: int) -> None:
            self.flour = flour

    async def main(pool: fournil.ProcessPool) -> None:
        assert await pool.run(lambda: 3) == 3
        water = 5
        assert await pool.run(lambda salt: water + salt, 1) == 6
        loaf = await pool.run(Loaf, 500)
        assert type(loaf) is Loaf
        assert loaf.flour == 500
        assert await pool.run(lambda it: it.flour, loaf) == 500

    use(main)


def test_a_function_that_finds_something_else_the_next_time() -> None:
    async def main(pool: fournil.ProcessPool) -> None:
        water = 1
        weights = [1]

        def both() -> tuple[int, int]:
            return water, sum(weights)

        assert await pool.run(both) == (1, 1)
        water = 2
        assert await pool.run(both) == (2, 1)
        weights.append(2)
        assert await pool.run(both) == (2, 3)

        def only_water() -> int:
            return water

        assert [await pool.run(only_water) for _ in range(3)] == [2, 2, 2]
        water = 7
        assert await pool.run(only_water) == 7

        oven = Oven()
        read = oven.read
        assert await pool.run(read) == 200
        oven.degrees = 180
        assert await pool.run(read) == 180

    use(main)


def returns(number: int) -> Callable[[], int]:
    return lambda: number


def test_many_functions_made_for_one_call() -> None:
    async def main(pool: fournil.ProcessPool) -> None:
        for number in range(1500):
            assert await pool.run(returns(number)) == number
        assert len(engine_of(pool).functions._known) <= 1000
        process = next(iter(engine_of(pool).live.values()))
        assert len(process.known.functions) <= 1001

    use(main)


@pytest.mark.parametrize("size", [10, 100_000, 3_000_000])
def test_arrays(size: int, run: Run) -> None:
    async def main() -> None:
        array = np.arange(size, dtype=np.float64)
        async with fournil.ProcessPool(1) as pool:
            for _ in range(3):
                back = await pool.run(np.add, array, 1)
                assert np.array_equal(back, array + 1)
                assert back.flags.writeable
                back[0] = 7  # it is the caller's own
            frozen = array.copy()
            frozen.flags.writeable = False
            flags = await pool.run(lambda a: (a.flags.writeable, float(a[0])), frozen)
            assert flags == (False, 0.0)
            kept = [await pool.run(np.full, size, float(n)) for n in range(4)]
            assert [float(a[-1]) for a in kept] == [0.0, 1.0, 2.0, 3.0]
            kept[0] = kept[1] = np.empty(0)
            assert float((await pool.run(np.full, size, 9.0))[-1]) == 9.0
            assert [float(a[-1]) for a in kept[2:]] == [2.0, 3.0]
        assert [float(a[-1]) for a in kept[2:]] == [2.0, 3.0]

    run(main)


def test_an_array_that_a_worker_keeps() -> None:
    def keep(array: Any) -> float:
        import builtins

        kept = builtins.__dict__.setdefault("kept", [])
        kept.append(array)
        return float(sum(a[0] for a in kept))

    async def main(pool: fournil.ProcessPool) -> None:
        assert await pool.run(keep, np.full(100_000, 1.0)) == 1.0
        assert await pool.run(keep, np.full(100_000, 2.0)) == 3.0
        assert await pool.run(keep, np.full(100_000, 4.0)) == 7.0

    use(main)


def test_memory_is_reused() -> None:
    async def main(pool: fournil.ProcessPool) -> None:
        array = np.zeros(1_000_000)
        for _ in range(20):
            await pool.run(np.add, array, 1)
        lender = next(iter(engine_of(pool).live.values())).payloads._lender
        assert len(lender.free) + len(lender.lent) <= 2

    use(main)


def test_many_arrays_at_once(run: Run) -> None:
    async def main() -> None:
        async with fournil.ProcessPool(2) as pool:
            await asyncio.gather(*(pool.run(double, n) for n in range(1000)))
            sums = await asyncio.gather(
                *(pool.run(np.sum, np.full(20_000, float(n))) for n in range(200))
            )
            assert [float(value) for value in sums] == [20_000.0 * n for n in range(200)]
            for process in engine_of(pool).live.values():
                lender = process.payloads._lender
                assert len(lender.free) + len(lender.lent) <= 8, "each had memory of its own"
                assert process.slot.heavy == 0

    run(main)


def test_memory_of_a_call_that_was_cancelled_while_it_was_filled() -> None:
    async def main(pool: fournil.ProcessPool) -> None:
        assert await pool.run(double, 2) == 4
        call = pool.run(np.sum, np.ones(60_000))
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        # Of the same size: it is used again, though the worker never saw it.
        assert await pool.run(np.sum, np.ones(60_000)) == 60_000
        [worker] = pool.statistics().workers
        assert worker.name.endswith(" 1")

    use(main)


@pytest.mark.parametrize("why", [MemoryError(), OSError(24, "Too many open files")])
def test_there_is_no_memory_to_tell_of_what_is_big(
    why: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those calls fail, and those that come after them are run."""

    async def main() -> None:
        async with fournil.ProcessPool(1) as pool:
            calls = [pool.run(len, bytes(1 << 20)) for _ in range(3)]
            with monkeypatch.context() as patched:
                patched.setattr("fournil.offload.isolated.payloads.Payloads._tell", refuse)
                for call in calls:
                    with pytest.raises(fournil.PoolError, match="could not be sent"):
                        await call
            assert await pool.run(len, bytes(1 << 20)) == 1 << 20

    def refuse(*_: object) -> None:
        raise why

    fournil.run(main())


def test_there_is_no_memory_for_a_function() -> None:
    """Its calls fail, and others do not."""

    async def main(pool: fournil.ProcessPool) -> None:
        assert await pool.run(double, 2) == 4
        held = np.ones(1_000_000)
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
        try:
            for args in ((), (np.ones(10_000),)):
                with pytest.raises(fournil.PoolError, match="no shared memory for 8,000,"):
                    await pool.run(lambda *args: held.sum() + len(args), *args)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert await pool.run(held.sum) == 1_000_000
        assert pool.statistics().running == 0

    use(main)


def test_more_buffers_than_a_record_tells_of() -> None:
    def halves(arrays: list[Any]) -> list[Any]:
        return [array / 2 for array in arrays]

    async def main(pool: fournil.ProcessPool) -> None:
        for count in (900, 1100):
            arrays = [np.full(5000, float(n)) for n in range(count)]
            assert all(
                float(half[-1]) == n / 2 for n, half in enumerate(await pool.run(halves, arrays))
            )
        # A body and places that are nearly as long as they can be.
        mixed = ["x" * 64_000, *(np.zeros(5000) for _ in range(999))]
        back = await pool.run(lambda it: it, mixed)
        assert back[0] == mixed[0]
        assert len(back) == 1000

    use(main)


@pytest.mark.parametrize("size", [10, 70_000, 20_000_000])
def test_long_bytes(size: int) -> None:
    async def main(pool: fournil.ProcessPool) -> None:
        data = os.urandom(10) * (size // 10)
        assert await pool.run(lambda data: data + b"!", data) == data + b"!"

    use(main)


def test_what_cannot_travel_is_named() -> None:
    async def main(pool: fournil.ProcessPool) -> None:
        lock = threading.Lock()
        with pytest.raises(
            fournil.CannotTravelError,
            match=r"argument 2\['locks'\]\[1\] of add cannot travel to another process:"
            r" <unlocked _thread.lock .* of type lock",
        ):
            await pool.run(add, 1, {"locks": [1, lock]})  # type: ignore[arg-type]
        with pytest.raises(fournil.CannotTravelError, match="argument more of add cannot"):
            await pool.run(add, 1, more=lock)  # type: ignore[arg-type]
        with pytest.raises(fournil.CannotTravelError, match="the function's variable lock"):
            await pool.run(lambda: lock)
        with pytest.raises(fournil.CannotTravelError, match=r"the result cannot.*; return what it"):
            await pool.run(threading.Lock)
        calls = [pool.run(double, 2), pool.run(double, lock), pool.run(double, 4)]  # type: ignore[arg-type]
        done = await asyncio.gather(*calls, return_exceptions=True)
        assert [done[0], done[2]] == [4, 8]
        assert isinstance(done[1], fournil.CannotTravelError)
        with pytest.raises(fournil.CannotTravelError):
            fournil.share(lock)
        statistics = pool.statistics()
        assert (statistics.failed, statistics.refused) == (1, 4)

    use(main)


def test_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those that could be read and copied, which nobody would notice."""
    path = tmp_path / "recipe"
    path.write_text("flour\n")
    monkeypatch.setattr(sys, "stdout", sys.__stdout__)  # pytest's is of a class of its own

    async def main(pool: fournil.ProcessPool) -> None:
        for mode in ("r", "r+", "a", "rb"):
            with path.open(mode) as file:
                with pytest.raises(
                    fournil.CannotTravelError, match=r"argument 1 of .* type (Text|Buf)"
                ):
                    await pool.run(double, file)  # type: ignore[arg-type]
                with pytest.raises(fournil.CannotTravelError, match="the function's variable file"):
                    await pool.run(lambda: file)
                with pytest.raises(fournil.CannotTravelError, match=r"what.*\['a'\]\[0\] cannot"):
                    fournil.share({"a": [file]})
        out = sys.stdout
        assert await pool.run(lambda: out is not None)

    use(main)


def test_what_cannot_be_unpickled_there_or_here() -> None:
    class Bad:
        def __init__(self, where: int) -> None:
            self.where = where

        def __reduce__(self) -> Any:
            return refuse_outside, (self.where, os.getpid())

    async def main(pool: fournil.ProcessPool) -> None:
        with pytest.raises(LookupError, match="not in this process"):
            await pool.run(double, Bad(os.getpid()))  # type: ignore[arg-type]
        with pytest.raises(fournil.CannotTravelError, match="returned cannot be unpickled here"):
            await pool.run(lambda: Bad(0))
        assert await pool.run(double, 2) == 4

    use(main)


def test_context_variables(run: Run) -> None:
    own: ContextVar[int] = ContextVar("own", default=0)
    unset: ContextVar[int] = ContextVar("unset")

    def read() -> tuple[str, int, int]:
        return OWN_NAME.get(), own.get(), unset.get(7)

    async def main() -> None:
        async with fournil.ProcessPool(1, context_vars=[OWN_NAME, own, unset]) as pool:
            OWN_NAME.set("Ann")
            own.set(3)
            one = pool.run(read)
            OWN_NAME.set("Ben")
            assert await one == ("Ann", 3, 7)
            assert await pool.run(read) == ("Ben", 3, 7)
        async with fournil.ProcessPool(1) as pool:
            assert await pool.run(read) == ("nobody", 0, 7)

    run(main)


def test_print_keeps_whole_lines(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        """
import asyncio
import fournil

def talk(who):
    for n in range(100):
        print(who, *range(200), n)

async def main():
    async with fournil.ProcessPool(3) as pool:
        async for _ in pool.map(talk, range(9)):
            pass

asyncio.run(main())
"""
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 900
    assert {len(line.split()) for line in lines} == {202}
    assert done.stderr == ""


def test_a_class_of_a_script_comes_back(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        """
import dataclasses, fournil

@dataclasses.dataclass
class Loaf:
    flour: int
    def bake(self):
        return Loaf(self.flour - SALT)

SALT = 5

async def main():
    async with fournil.ProcessPool(2) as pool:
        loaf = await pool.run(Loaf(500).bake)
        assert type(loaf) is Loaf, type(loaf)
        print(loaf)

fournil.run(main())
"""
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout == "Loaf(flour=495)\n"


def test_no_call_waits_behind_a_long_one(run: Run) -> None:
    async def main() -> None:
        async with fournil.ProcessPool(2) as pool:
            # They are known to be short: many are sent ahead.
            await asyncio.gather(*(pool.run(double, n) for n in range(2000)))
            long = pool.run(time.sleep, 60)
            calls = [pool.run(double, n) for n in range(500)]
            assert await asyncio.gather(*calls) == [2 * n for n in range(500)]
            assert not long.done()
            long.cancel()

    run(main)


def test_a_worker_that_ends_while_it_is_to_forget_a_function(
    caplog: pytest.LogCaptureFixture,
) -> None:
    array = np.zeros(1 << 16)

    async def main(pool: fournil.ProcessPool) -> None:
        assert await pool.run(lambda: int(array.sum())) == 0
        # It is told that soon, and is gone by then.
        call = pool.run(lambda: len(array))
        (worker,) = engine_of(pool).live.values()
        worker.kill()
        engine_of(pool).ended(worker.number, 9)
        assert await call == 1 << 16

    use(main)
    assert not caplog.records
