"""share: what is shared is mapped and not copied, whatever it is; what cannot be is refused."""

from __future__ import annotations

import array
import asyncio
import gc
import importlib
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fournil
from fournil._worker import shares
from fournil.offload import shared
from tests.offload.travellers import keep, let_go, look
from tests.offload.under_test import ISOLATED

SIZE = 20_000
"""Items of what is shared: more than go with a call."""


def use(main: Callable[[fournil.ProcessPool], Any], **options: Any) -> Any:
    """Run a coroutine function with a pool of one worker."""

    async def entered() -> Any:
        async with fournil.ProcessPool(1, **options) as pool:
            return await main(pool)

    return fournil.run(entered())


@pytest.fixture(autouse=True)
def nothing_shared_is_left() -> Iterator[None]:
    yield
    gc.collect()
    assert not shares.spans
    assert shared._file is None


class Picture(np.ndarray[Any, Any]):
    """One with an attribute, which numpy forgets when it pickles it."""

    dots: int | None

    def __array_finalize__(self, other: Any) -> None:
        self.dots = getattr(other, "dots", None)


class Measured(np.ndarray[Any, Any]):
    """One that is pickled in a way of its own."""

    unit: str | None

    def __array_finalize__(self, other: Any) -> None:
        self.unit = getattr(other, "unit", None)

    def __reduce__(self) -> Any:
        reduced: Any = super().__reduce__()
        return reduced[0], reduced[1], (reduced[2], self.unit)

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state[0])
        self.unit = state[1]


def picture() -> Any:
    made = np.arange(SIZE).view(Picture)
    made.dots = 300
    return made


def measured() -> Any:
    made = np.arange(SIZE).view(Measured)
    made.unit = "m"
    return made


RECORDS = np.zeros(SIZE, [("weight", "f8"), ("baked", "M8[s]"), ("kind", "S3")])

ARRAYS: dict[str, Callable[[], Any]] = {
    "floats": lambda: np.arange(SIZE, dtype=float),
    "times": lambda: np.arange(SIZE).astype("M8[s]"),
    "spans of time": lambda: np.arange(SIZE).astype("m8[ns]"),
    "every other item": lambda: np.arange(2 * SIZE)[::2],
    "backwards": lambda: np.arange(SIZE)[::-1],
    "a part of each row": lambda: np.arange(4 * SIZE).reshape(-1, 4)[:, 1:3],
    "Fortran's order": lambda: np.asfortranarray(np.arange(SIZE).reshape(100, -1)),
    "times in Fortran's order": lambda: np.asfortranarray(
        np.arange(SIZE).astype("M8[s]").reshape(100, -1)
    ),
    "transposed": lambda: np.arange(SIZE).reshape(10, 20, -1).transpose(2, 0, 1),
    "one row for many": lambda: np.broadcast_to(np.arange(100), (1000, 100)),
    "masked": lambda: np.ma.masked_array(np.arange(SIZE), np.arange(SIZE) % 2 == 0),
    "masked nowhere": lambda: np.ma.masked_array(np.arange(SIZE)),
    "masked times": lambda: np.ma.masked_array(
        np.arange(SIZE).astype("M8[s]"), np.arange(SIZE) % 2 == 0
    ),
    "records": RECORDS.copy,
    "records of numpy's class": lambda: RECORDS.copy().view(np.recarray),
    "read-only": lambda: np.frombuffer(bytes(8 * SIZE)),
    "the other order of bytes": lambda: np.arange(SIZE, dtype=">i8"),
    "texts": lambda: np.full(SIZE, "abc"),
    "of a subclass": picture,
    "of a subclass that is pickled in its own way": measured,
    "a few": lambda: np.arange(3),
    "a few times, each other": lambda: np.arange(10).astype("M8[s]")[::2],
    "one": lambda: np.array(5.0),
}


def is_writeable(value: Any) -> bool:
    return bool(value.flags.writeable)


def same(value: Any) -> Any:
    return value


def are_equal(one: Any, other: Any) -> bool:
    if isinstance(one, np.ma.MaskedArray):
        masks = np.ma.getmaskarray(one), np.ma.getmaskarray(other)
        return np.array_equal(*masks) and bool(np.ma.allequal(one, other))
    return bool(one.tobytes() == other.tobytes())


def assert_nothing_is_copied(pool: Any) -> None:
    [worker] = pool._live.values()
    lender = worker.loads._lender
    assert not lender.lent, "it was copied"
    assert not lender.free, "it was copied"


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays(name: str) -> None:
    async def main(pool: fournil.ProcessPool) -> None:
        given = ARRAYS[name]()
        made = fournil.share(given)
        assert type(made) is type(given)
        assert made.dtype == given.dtype
        assert are_equal(made, given)
        assert not made.flags.writeable
        assert getattr(made, "dots", None) == getattr(given, "dots", None)
        call = pool.run(same, made)
        back = await call
        # With the classes here, which travel by value.
        assert call.bytes_out < 4000, "it was pickled"
        assert not await pool.run(is_writeable, made)
        assert_nothing_is_copied(pool)
        assert type(back) is type(given)
        assert are_equal(back, given)
        assert getattr(back, "dots", None) == getattr(given, "dots", None)
        assert getattr(back, "unit", None) == getattr(given, "unit", None)
        part = made.reshape(-1)[::3] if name == "one" else made[::3]
        assert not await pool.run(is_writeable, part)
        assert are_equal(await pool.run(same, part), part)
        assert_nothing_is_copied(pool)
        assert fournil.share(made) is made

    use(main)


def test_what_a_file_is_mapped_to(tmp_path: Any) -> None:
    async def main(pool: fournil.ProcessPool) -> None:
        given: Any = np.memmap(tmp_path / "table", "f8", "w+", shape=(SIZE,))
        given[:] = np.arange(SIZE)
        made = fournil.share(given[10:])
        assert type(made) is np.memmap
        given[:] = 0
        assert made.sum() == await pool.run(np.sum, made) == sum(range(10, SIZE))
        assert_nothing_is_copied(pool)

    use(main)


BYTES: dict[str, Any] = {
    "bytes": bytes(100) * 1000,
    "bytearray": bytearray(100) * 1000,
    "array": array.array("d", range(SIZE)),
    "memoryview": memoryview(bytes(100) * 1000),
    "memoryview of numbers": memoryview(array.array("q", range(SIZE))),
    "memoryview of every other byte": memoryview(bytes(range(200)) * 1000)[::2],
    "memoryview of rows": memoryview(bytes(8 * SIZE)).cast("d", (10, SIZE // 10)),
}


@pytest.mark.parametrize("name", BYTES)
def test_bytes(name: str) -> None:
    def describe(view: Any) -> tuple[str, bool, bytes]:
        return type(view).__name__, view.readonly, view.tobytes()

    async def main(pool: fournil.ProcessPool) -> None:
        given = BYTES[name]
        [made] = fournil.share([given])
        assert made == given
        assert made.readonly
        call = pool.run(describe, made)
        assert await call == ("memoryview", True, memoryview(given).tobytes())
        assert call.bytes_out < 200, "it was pickled"
        assert_nothing_is_copied(pool)

    use(main)


def test_containers() -> None:
    async def main(pool: fournil.ProcessPool) -> None:
        given: dict[str, Any] = {
            "times": [np.arange(SIZE).astype("M8[s]"), b"x" * 100_000],
            "few": (np.arange(3), b"few", [1, 2]),
        }
        given["itself"] = given
        made = fournil.share(given)
        assert made["itself"] is made
        assert made["few"][1:] == (b"few", [1, 2])
        assert not made["few"][0].flags.writeable
        call = pool.run(lambda it: (it["times"][1][:3].tobytes(), it["few"][0].sum()), made)
        assert await call == (b"xxx", 3)
        assert call.bytes_out < 2000, "it was pickled"
        assert_nothing_is_copied(pool)

    use(main)


def frames() -> dict[str, Any]:
    """Return what makes frames and columns, as far as their libraries are here."""
    found: dict[str, Any] = {}
    numbers = np.arange(SIZE)
    texts = [f"a text of some length, {number}" for number in range(SIZE)]
    try:
        pd: Any = importlib.import_module("pandas")
    except ImportError:
        pd = None
    try:
        pa: Any = importlib.import_module("pyarrow")
    except ImportError:
        pa = None
    try:
        pl: Any = importlib.import_module("polars")
    except ImportError:
        pl = None
    if pd is not None:
        times = pd.date_range("2026", periods=SIZE, freq="s")
        found |= {
            "pandas: a frame": pd.DataFrame({"number": numbers, "time": times}, index=times),
            "pandas: times of a zone": pd.Series(times.tz_localize("Europe/Paris")),
            "pandas: spans of time": pd.Series(pd.to_timedelta(numbers, unit="s")),
            "pandas: categories": pd.Series(pd.Categorical(["rye", "wheat"] * (SIZE // 2))),
            "pandas: numbers or none": pd.Series(numbers).astype("Int64"),
            "pandas: truths or none": pd.Series(numbers % 2 == 0).astype("boolean"),
            "pandas: periods": pd.Series(pd.period_range("2026", periods=SIZE, freq="s")),
            "pandas: intervals": pd.Series(pd.interval_range(0, SIZE)),
            "pandas: an index of pairs": pd.DataFrame(
                {"number": numbers}, pd.MultiIndex.from_product([range(100), range(SIZE // 100)])
            ),
            "pandas: very many columns": pd.DataFrame(
                {f"column {n}": pd.Series(numbers[:100]).astype("Int64") for n in range(1200)}
            ),
        }
    if pd is not None and pa is not None:
        found |= {
            "pandas: Arrow's numbers": pd.Series(numbers).astype("int64[pyarrow]"),
            "pandas: Arrow's texts": pd.Series(texts, dtype="string[pyarrow]"),
            "pandas: Arrow's chunks": pd.concat(
                [pd.Series(numbers).astype("int64[pyarrow]") for _ in range(3)]
            ),
        }
    if pa is not None:
        found |= {
            "Arrow: a table": pa.table({"number": numbers, "text": texts}),
            "Arrow: a part of a table": pa.table({"number": numbers}).slice(100, 1000),
            "Arrow: numbers or none": pa.array([n if n % 3 else None for n in range(SIZE)]),
            "Arrow: very many chunks": pa.chunked_array([numbers[:1000]] * 1500),
            "Arrow: categories": pa.array(["rye", "wheat"] * SIZE).dictionary_encode(),
        }
    if pl is not None and pa is not None:
        found |= {
            "polars: a frame": pl.DataFrame({"number": numbers, "text": texts}),
            "polars: a column": pl.Series("number", numbers),
        }
    return found


FRAMES = frames()


@pytest.mark.parametrize("name", FRAMES)
def test_frames(name: str) -> None:
    async def main(pool: fournil.ProcessPool) -> None:
        given = FRAMES[name]
        made = fournil.share(given)
        assert type(made) is type(given)
        assert made.equals(given)
        await pool.run(len, made)
        call = pool.run(same, made)
        back = await call
        assert back.equals(given)
        if "very many" in name:
            # How its buffers belong to it is long.
            assert call.bytes_out < 300_000
        else:
            assert call.bytes_out < 4000, "it was pickled"
            assert_nothing_is_copied(pool)

    use(main)


class Held:
    def __init__(self, value: Any) -> None:
        self.value = value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (list(range(100_000)), r"shared is not held in buffers, .* of type list"),
        ("x" * 100_000, r"shared is not held in buffers, .*100,009 bytes of 'xxx.* of type str"),
        (
            {"names": np.array([f"name {n}" for n in range(10_000)], object)},
            r"shared\['names'\] is not held in buffers, .* with items of type object",
        ),
        ([1, Held(bytes(100_000))], r"shared\[1\]\.value is not held in buffers, .* of type bytes"),
        ({"lock": threading.Lock()}, r"shared\['lock'\] cannot travel to another process"),
    ],
)
def test_what_cannot_be_shared_is_refused_by_name(value: Any, text: str) -> None:
    with pytest.raises(fournil.CannotTravelError, match=f"(?s)what is to be {text}"):
        fournil.share(value)


def test_a_column_that_cannot_be_shared_is_refused_by_name() -> None:
    pandas = pytest.importorskip("pandas")
    names = pandas.Series([f"name {n}" for n in range(SIZE)], dtype=object)
    frame = pandas.DataFrame({"number": np.arange(SIZE), "name": names})
    with pytest.raises(fournil.CannotTravelError, match=r"shared\['name'\] is not held in buffers"):
        fournil.share(frame)
    with pytest.raises(fournil.CannotTravelError, match=r"shared\.index is not held in buffers"):
        fournil.share(pandas.DataFrame({"number": np.arange(SIZE)}, index=pandas.Index(names)))


class Copying:
    """Copies the array that it is made of."""

    def __init__(self, values: Any) -> None:
        self.values = values.copy()

    def __reduce__(self) -> Any:
        return Copying, (self.values,)


class Refusing:
    """Cannot be made of an array that it may not change."""

    def __init__(self, values: Any) -> None:
        values[0] = 1
        self.values = values

    def __reduce__(self) -> Any:
        return Refusing, (self.values,)


def test_objects_that_cannot_be_made_of_shared_memory() -> None:
    with pytest.raises(fournil.CannotTravelError, match=r"shared\.values is not held in buffers"):
        fournil.share(Copying(np.zeros(SIZE)))
    with pytest.raises(
        fournil.CannotTravelError, match=r"ValueError: .* is read-only\): share its"
    ):
        fournil.share(Refusing(np.zeros(SIZE)))


def test_what_is_small_is_shared_as_it_is() -> None:
    small = [1, 2]
    assert fournil.share(small) is small


def sum_of(values: Any) -> Callable[[], float]:
    return lambda: float(values.sum())


def test_functions_that_hold_what_is_shared() -> None:
    async def main(pool: fournil.ProcessPool) -> None:
        table = fournil.share(np.random.default_rng(0).random((1000, 200)))
        part = table[10:20]
        assert await pool.run(sum_of(part)) == pytest.approx(part.sum())
        assert_nothing_is_copied(pool)
        [worker] = pool._live.values()
        del table, part
        # The worker is told to forget the function, which nobody can call any more.
        while shares.spans or worker.loads._known:
            gc.collect()
            await asyncio.sleep(0)

    use(main)


# What it takes, and when that is given back.


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
            [worker] = pool._live.values()  # type: ignore[attr-defined]
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
        [worker] = pool._live.values()
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
