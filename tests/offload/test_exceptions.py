"""Exceptions that come back from workers: with traceback, causes and parts, whatever they are."""

from __future__ import annotations

import asyncio
import dataclasses
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

import pytest

import fournil
from fournil._worker.pickling.failure import pack_error, unpack_error
from tests.offload.functions import double
from tests.offload.travellers import TooManyArgumentsError


def test_exceptions() -> None:
    def mix() -> None:
        try:
            bake()
        except ValueError as error:
            raise LookupError("no dough") from error

    def bake() -> None:
        raise ValueError("too hot")

    def own() -> None:
        raise TooManyArgumentsError(1, 2)

    def locked() -> None:
        error = RuntimeError("with a lock")
        error.lock = threading.Lock()  # type: ignore[attr-defined]
        raise error

    def group() -> None:
        raise ExceptionGroup("both", [ValueError(1), OSError("no")])

    def deep(n: int) -> None:
        deep(n + 1)

    async def main() -> None:
        async with fournil.ProcessPool(1) as pool:
            with pytest.raises(LookupError, match="no dough") as caught:
                await pool.run(mix)
            text = "".join(traceback.format_exception(caught.value))
            # The worker's lines, with their source, where Python shows lines.
            assert 'raise ValueError("too hot")' in text
            assert 'raise LookupError("no dough") from error' in text
            assert f'File "{__file__}"' in text
            assert "was the direct cause of" in text
            assert "(raised in fournil process 1, process " in text
            assert "_worker" not in text
            line = traceback.extract_tb(caught.value.__traceback__)[-1]
            assert (line.filename, line.name) == (__file__, "mix")
            with pytest.raises(fournil.RemoteError, match="TooManyArgumentsError: 1 and 2"):
                await pool.run(own)
            with pytest.raises(fournil.RemoteError, match="RuntimeError: with a lock"):
                await pool.run(locked)
            with pytest.raises(ExceptionGroup) as caught_group:
                await pool.run(group)
            assert [type(part) for part in caught_group.value.exceptions] == [ValueError, OSError]
            with pytest.raises(RecursionError):
                await pool.run(deep, 0)
            with pytest.raises(ValueError, match="x" * 100):
                await pool.run(lambda: (_ for _ in ()).throw(ValueError("x" * 200_000)))
            with pytest.raises(SystemExit):
                await pool.run(sys.exit, 3)
            assert await pool.run(double, 2) == 4

    fournil.run(main())


def travelled(error: BaseException) -> BaseException:
    """Return an exception as it arrives, that was raised here."""
    try:
        raise error
    except BaseException as raised:
        body = pack_error(raised, "(raised in a test)")
    return unpack_error(body)


def chained(length: int, link: str) -> BaseException:
    error: BaseException = ValueError(0)
    for number in range(1, length):
        outer = ValueError(number)
        setattr(outer, link, error)
        error = outer
    return error


@pytest.mark.parametrize("link", ["__cause__", "__context__"])
def test_chains_of_any_length(link: str) -> None:
    error: BaseException | None = travelled(chained(3000, link))
    numbers = []
    while error is not None:
        numbers.append(error.args[0])
        error = getattr(error, link)
    assert numbers == list(range(2999, -1, -1))


def test_equal_functions_of_two_files() -> None:
    """Their code is equal too; what is remembered of a place is of one file alone."""
    for name in ("one.py", "other.py", "one.py"):
        found: dict[str, Any] = {}
        exec(compile("def fail():\n    raise LookupError\n", name, "exec"), found)
        with pytest.raises(LookupError) as raised:
            found["fail"]()
        error = unpack_error(pack_error(raised.value, "(raised in a test)"))
        assert error.__traceback__ is not None
        assert traceback.extract_tb(error.__traceback__)[-1].filename == name


def test_a_chain_through_a_pool(make: Callable[..., fournil.Pool]) -> None:
    async def main() -> None:
        async with make(workers=1) as pool:
            with pytest.raises(ValueError, match="2999"):
                await pool.run(raise_chained, 3000)
            assert await pool.run(double, 4) == 8

    fournil.run(main())


def raise_chained(length: int) -> None:
    raise chained(length, "__cause__")


def test_chains_that_lead_back() -> None:
    one, other = ValueError(1), ValueError(2)
    one.__cause__, other.__context__ = other, one
    back = travelled(one)
    assert back.__cause__ is not None
    assert back.__cause__.args == (2,)
    assert back.__cause__.__context__ is back
    assert back.__suppress_context__
    assert not back.__cause__.__suppress_context__


def test_groups_of_any_depth_and_width() -> None:
    error: Exception = ValueError("innermost")
    for depth in range(1000):
        error = ExceptionGroup(f"group {depth}", [error, KeyError(depth)])
    back: Any = travelled(error)
    for depth in reversed(range(1000)):
        assert type(back) is ExceptionGroup
        assert back.message == f"group {depth}"
        assert back.exceptions[1].args == (depth,)
        back = back.exceptions[0]
    assert back.args == ("innermost",)
    wide: Any = travelled(ExceptionGroup("wide", [ValueError(n) for n in range(2000)]))
    assert [part.args[0] for part in wide.exceptions] == list(range(2000))


def test_what_a_group_has() -> None:
    try:
        raise ValueError("a part")
    except ValueError as raised:
        part = raised
    part.__cause__ = KeyError("of the part")
    group = BaseExceptionGroup("all", [part, KeyboardInterrupt()])
    group.add_note("a note")
    group.__dict__["number"] = 7
    back: Any = travelled(group)
    assert type(back) is BaseExceptionGroup
    assert back.__notes__ == ["a note", "(raised in a test)"]
    assert back.__dict__["number"] == 7
    assert (
        traceback.extract_tb(back.exceptions[0].__traceback__)[-1].name == "test_what_a_group_has"
    )
    assert type(back.exceptions[0].__cause__) is KeyError
    group.__dict__["lock"] = threading.Lock()
    back = travelled(group)
    assert "its attribute lock: TypeError" in "".join(back.__notes__)
    assert not hasattr(back, "lock")


class Owned(ExceptionGroup[Exception]):
    pass


def test_a_group_of_a_class_of_the_programs() -> None:
    try:
        raise ValueError("a part")
    except ValueError as raised:
        part = raised
    part.__cause__ = KeyError("of the part")
    back: Any = travelled(Owned("own", [ExceptionGroup("within", [part])]))
    assert type(back) is Owned
    [[inner]] = [within.exceptions for within in back.exceptions]  # type: ignore[union-attr]
    assert type(inner.__cause__) is KeyError
    assert traceback.extract_tb(inner.__traceback__)[-1].line == 'raise ValueError("a part")'


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    """Python itself cannot unpickle it: a frozen class takes no attributes."""

    number: int


class Overriding(Exception):
    """One whose attributes are not what Python's own code finds."""

    @property
    def __traceback__(self) -> Any:  # type: ignore[override]
        raise LookupError

    @property
    def __cause__(self) -> Any:  # type: ignore[override]
        raise LookupError

    def with_traceback(self, traceback: Any) -> Any:
        raise LookupError

    def add_note(self, note: str) -> None:
        raise LookupError


class Text(str):
    __slots__ = ()

    def __reduce__(self) -> Any:
        raise LookupError


class Worded(Exception):
    def __str__(self) -> str:
        return Text("worded")

    def __reduce__(self) -> Any:
        raise LookupError("not to be pickled")


class Reduced(Exception):
    """One that is pickled as what it is given."""

    def __init__(self, to: Any) -> None:
        super().__init__("reduced")
        self.to = to

    def __reduce__(self) -> Any:
        return self.to


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (Worded(), "Worded: worded"),
        (Frozen(7), "Frozen: 7"),
        (Reduced("nonsense"), "Reduced: reduced"),
        (Reduced(None), "Reduced: reduced"),
        (Reduced((int, (3,))), "Reduced: reduced"),
        (Reduced((dict.fromkeys, ([],))), "Reduced: reduced"),
    ],
)
def test_exceptions_that_do_not_let_themselves_be_packed(error: Exception, text: str) -> None:
    back = travelled(error)
    assert type(back) is fournil.RemoteError
    assert str(back) == f"{__name__}.{text}"
    assert "itself could not travel between processes:" in back.__notes__[0]


def test_exceptions_whose_attributes_are_overridden() -> None:
    back = travelled(Overriding("x"))
    assert type(back) is Overriding
    assert BaseException.__dict__["__traceback__"].__get__(back) is not None


@pytest.mark.parametrize("notes", [5, None, ("a note",)])
def test_notes_that_are_no_list(notes: Any) -> None:
    error = ValueError("x")
    error.__notes__ = notes
    back = travelled(error)
    assert (type(back), back.args, back.__notes__) == (ValueError, ("x",), notes)


def test_long_code_and_names() -> None:
    lines = "\n" * 100_000 + "def f():\n" + "    x = 1\n" * 20_000 + "    1 / 0\nf()"
    name = "a file " + "x" * 100_000
    with pytest.raises(ZeroDivisionError) as caught:
        exec(compile(lines, name, "exec"), {})
    back = unpack_error(pack_error(caught.value, ""))
    [*_, inner] = traceback.extract_tb(back.__traceback__)
    assert (inner.filename, inner.lineno, inner.name) == (name, 120_002, "f")


def test_frames_in_sum_are_bounded() -> None:
    """A recursion each of whose levels raises another exception has a frame for each pair."""

    def level(number: int) -> None:
        if not number:
            raise ValueError(0)
        try:
            level(number - 1)
        except ValueError as error:
            raise ValueError(number) from error

    with pytest.raises(ValueError, match="500") as caught:
        level(500)
    back: BaseException | None = unpack_error(pack_error(caught.value, ""))
    frames = 0
    depth = 0
    while back is not None:
        here = len(traceback.extract_tb(back.__traceback__))
        assert here > 0
        frames += here
        depth += 1
        back = back.__cause__
    assert depth == 501
    assert frames <= 100_000 + depth


def test_stop_async_iteration_does_not_end_a_map(make: Callable[..., fournil.Pool]) -> None:
    async def main() -> None:
        async with make(workers=1) as pool:
            results = pool.map(stop_at_two, range(4))
            with pytest.raises(RuntimeError, match=r"stop_at_two\(\) raised StopAsyncIteration"):
                async for _ in results:
                    await asyncio.sleep(0)

    fournil.run(main())


def stop_at_two(number: int) -> int:
    if number == 2:
        raise StopAsyncIteration
    return number
