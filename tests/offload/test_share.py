"""share: what is shared is mapped and not copied, whatever it is; what cannot be is refused."""

from __future__ import annotations

import array
import asyncio
import gc
import importlib
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fournil
from fournil._worker.memory import shares
from tests.offload.under_test import engine_of, use

pytestmark = pytest.mark.usefixtures("nothing_shared_is_left")

SIZE = 20_000
"""Items of what is shared: more than go with a call."""


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
    [worker] = engine_of(pool).live.values()
    lender = worker.payloads._lender
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
        [worker] = engine_of(pool).live.values()
        del table, part
        # The worker is told to forget the function, which nobody can call any more.
        while shares.spans or worker.payloads._known:
            gc.collect()
            await asyncio.sleep(0)

    use(main)


@pytest.mark.parametrize(
    ("before", "told"),
    [
        (
            "",
            "OSError: [Errno 24] Too many open files, to import fournil.share, which is done",
        ),
        ("fournil.share", "PoolError: no descriptor is left to share array("),
    ],
)
def test_no_descriptor_left_for_what_is_imported_at_its_first_use(before: str, told: str) -> None:
    program = f"""
        import os, resource
        import fournil, numpy
        array = numpy.ones(100_000)
        {before}
        resource.setrlimit(resource.RLIMIT_NOFILE, (30, 30))
        try:
            while True:
                os.dup(0)
        except OSError:
            pass
        try:
            fournil.share(array)
        except Exception as error:
            print(type(error).__name__, error, sep=": ")
        os.closerange(10, 30)
        print(fournil.share(array).sum())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    error, shared = done.stdout.splitlines()
    assert error.startswith(told)
    assert shared == "100000.0"
