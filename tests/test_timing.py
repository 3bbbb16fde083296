"""`timed`: what it prints, that it changes nothing else, and that the types survive."""

from __future__ import annotations

import asyncio
import functools
import inspect
import io
import logging
import re
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any, assert_type

import pytest

from fournil import timed
from tests.timed_functions import (
    TIME,
    Lines,
    Oven,
    Suspended,
    acount,
    add,
    add_all,
    count,
    delay,
    echo,
    reader,
)


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    return reader(capsys)


class TestWhatItPrints:
    def test_a_coroutine(self, lines: Lines) -> None:
        async def main() -> float:
            return await asyncio.create_task(delay(0.01), name="baker")

        assert asyncio.run(main()) == 0.01
        assert lines() == ["[baker] → delay(0.01)", "[baker] ← delay(0.01) T"]

    def test_a_function(self, lines: Lines) -> None:
        assert add(1) == 3
        assert lines() == ["→ add(1)", "← add(1) T"]

    def test_seconds_have_four_decimals(self, capsys: pytest.CaptureFixture[str]) -> None:
        asyncio.run(delay(0.02))
        seconds = re.search(
            r"← delay\(0\.02\) (\d+\.\d{4}) s$", capsys.readouterr().out, re.MULTILINE
        )
        assert seconds
        assert 0.02 <= float(seconds[1]) < 2

    def test_keywords(self, lines: Lines) -> None:
        add(first=1, second=5)
        assert lines()[0] == "→ add(first=1, second=5)"

    def test_methods_name_their_class_and_leave_out_self(self, lines: Lines) -> None:
        Oven().bake("bread", minutes=5)
        Oven.below(1)
        Oven.above(2)
        assert Oven.static_above(3) == Oven().static_below(3) == 3
        assert lines()[::2] == [
            "→ Oven.bake('bread', minutes=5)",
            "→ Oven.below(1)",
            "→ Oven.above(2)",
            "→ Oven.static_above(3)",
            "→ Oven.static_below(3)",
        ]

    def test_an_exception(self, lines: Lines) -> None:
        @timed
        def fail() -> None:
            raise ValueError("no flour\nat all")

        with pytest.raises(ValueError, match="no flour"):
            fail()
        assert lines() == ["→ fail()", "← fail() T raised ValueError: no flour..."]

    def test_an_exception_without_a_message(self, lines: Lines) -> None:
        @timed
        def fail() -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            fail()
        assert lines()[1] == "← fail() T raised KeyboardInterrupt"

    def test_an_exception_whose_message_cannot_be_had(self, lines: Lines) -> None:
        class Silent(Exception):
            def __str__(self) -> str:
                raise RuntimeError

        @timed
        def fail() -> None:
            raise Silent

        with pytest.raises(Silent):
            fail()
        assert lines()[1].startswith("← fail() T raised Test")

    def test_a_long_message_is_cut(self, lines: Lines) -> None:
        @timed
        def fail() -> None:
            raise ValueError("x" * 1000)

        with pytest.raises(ValueError, match="x"):
            fail()
        assert len(lines()[1]) < 140

    def test_a_cancelled_coroutine(self, lines: Lines) -> None:
        async def main() -> None:
            task = asyncio.create_task(delay(60), name="baker")
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(main())
        assert lines() == ["[baker] → delay(60)", "[baker] ← delay(60) T cancelled"]

    def test_a_timeout_shows_as_cancelled(self, lines: Lines) -> None:
        async def main() -> None:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(delay(60), 0.01)

        asyncio.run(main())
        assert lines()[-1].endswith("← delay(60) T cancelled")

    def test_a_coroutine_that_is_closed(self, lines: Lines) -> None:
        delay(60).close()  # not begun: nothing ran, nothing is said

        @timed
        async def wait_for_ever() -> None:
            await Suspended()

        coroutine = wait_for_ever()
        coroutine.send(None)
        coroutine.close()
        assert lines() == ["→ wait_for_ever()", "← wait_for_ever() T closed"]

    def test_long_arguments_are_abbreviated(self, lines: Lines) -> None:
        add_all(list(range(10**6)), "x" * 10**6, b"x" * 10**6, bytearray(10**6), {"a": "b" * 999})
        line = lines()[0]
        assert "[0, 1, 2, 3, 4, 5, ...]" in line
        assert len(line) < 400

    def test_arguments_that_cannot_be_written(self, lines: Lines) -> None:
        class Shy:
            def __repr__(self) -> str:
                raise RuntimeError

        add_all(Shy(), 10**5000)
        assert re.fullmatch(r"→ add_all\(<Shy .*>, .*\)", lines()[0])

    def test_an_argument_is_written_as_it_was_at_the_call(self, lines: Lines) -> None:
        @timed
        def empty(what: list[int]) -> None:
            what.clear()

        empty([1, 2])
        assert lines() == ["→ empty([1, 2])", "← empty([1, 2]) T"]


class TestNesting:
    def test_calls_in_calls_are_indented(self, lines: Lines) -> None:
        @timed
        def outer() -> int:
            return add(1, add(1, 1))

        outer()
        add(3)
        assert lines() == [
            "→ outer()",
            "  → add(1, 1)",
            "  ← add(1, 1) T",
            "  → add(1, 2)",
            "  ← add(1, 2) T",
            "← outer() T",
            "→ add(3)",
            "← add(3) T",
        ]

    def test_each_line_names_its_task(self, lines: Lines) -> None:
        @timed
        async def main() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(delay(0.05), name="slow")
                group.create_task(delay(0.01), name="fast")

        async def named() -> None:
            await asyncio.create_task(main(), name="main")

        asyncio.run(named())
        assert lines() == [
            "[main] → main()",
            "[slow]   → delay(0.05)",
            "[fast]   → delay(0.01)",
            "[fast]   ← delay(0.01) T",
            "[slow]   ← delay(0.05) T",
            "[main] ← main() T",
        ]

    def test_concurrent_calls_do_not_indent_each_other(self, lines: Lines) -> None:
        async def main() -> None:
            await asyncio.gather(*(delay(0.01) for _ in range(3)))

        asyncio.run(main())
        assert all(re.match(r"\[Task-\d+\] [→←]", line) for line in lines())

    def test_after_an_exception_the_depth_is_as_before(self, lines: Lines) -> None:
        @timed
        def fail() -> None:
            add(1)
            raise ValueError

        for _ in range(2):
            with pytest.raises(ValueError):
                fail()
        assert [line[:4] for line in lines()] == ["→ fa", "  → ", "  ← ", "← fa"] * 2

    def test_a_thread_is_named(self, lines: Lines) -> None:
        thread = threading.Thread(target=add, args=(1,), name="helper")
        thread.start()
        thread.join()
        assert lines() == ["[helper] → add(1)", "[helper] ← add(1) T"]

    def test_a_call_in_a_thread_is_inside_the_call_that_sent_it(self, lines: Lines) -> None:
        @timed
        async def main() -> int:
            return await asyncio.to_thread(add, 1)

        assert asyncio.run(main()) == 3
        assert re.fullmatch(r"\[asyncio_\d+\]   → add\(1\)", lines()[1])

    def test_a_consumer_is_not_inside_the_generator(self, lines: Lines) -> None:
        for number in count(2):
            add(number)
        assert lines() == [
            "→ count(2)",
            "→ add(0)",
            "← add(0) T",
            "→ add(1)",
            "← add(1) T",
            "← count(2) T",
        ]

    def test_what_a_generator_calls_is_inside_it(self, lines: Lines) -> None:
        @timed
        def sums() -> Iterator[int]:
            yield add(1)
            yield add(2)

        assert list(sums()) == [3, 4]
        assert lines() == [
            "→ sums()",
            "  → add(1)",
            "  ← add(1) T",
            "  → add(2)",
            "  ← add(2) T",
            "← sums() T",
        ]


class TestWhereItGoes:
    def test_to_a_file(self, lines: Lines) -> None:
        file = io.StringIO()
        timed(file=file)(len)([1, 2])
        assert TIME.sub("T", file.getvalue()) == "→ len([1, 2])\n← len([1, 2]) T\n"
        assert lines() == []

    def test_to_a_logger(self, lines: Lines, caplog: pytest.LogCaptureFixture) -> None:
        logger = logging.getLogger("bakery")
        with caplog.at_level(logging.DEBUG, "bakery"):
            timed(logger=logger, level=logging.DEBUG)(len)([1, 2])
        assert [(r.name, r.levelname, TIME.sub("T", r.getMessage())) for r in caplog.records] == [
            ("bakery", "DEBUG", "→ len([1, 2])"),
            ("bakery", "DEBUG", "← len([1, 2]) T"),
        ]
        assert lines() == []

    def test_a_logger_that_is_off_costs_no_words(self) -> None:
        class Costly:
            def __repr__(self) -> str:
                raise AssertionError("written for nobody")

        logger = logging.getLogger("bakery.off")
        logger.setLevel(logging.ERROR)
        calls: list[object] = []
        timed(logger=logger)(calls.append)(Costly())
        assert len(calls) == 1

    def test_a_stream_that_has_no_arrows(self) -> None:
        raw = io.BytesIO()
        file = io.TextIOWrapper(raw, encoding="ascii")
        timed(file=file)(len)("é")
        file.flush()
        assert TIME.sub("T", raw.getvalue().decode("ascii")) == (
            "-> len('\\xe9')\n<- len('\\xe9') T\n"
        )

    def test_a_program_without_stdout(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stdout", None)
        assert add(1) == 3

    def test_both_are_refused(self) -> None:
        with pytest.raises(TypeError, match="give one of them"):
            timed(logger=logging.getLogger("x"), file=io.StringIO())


class TestWhatItKeeps:
    def test_the_sort_of_function(self) -> None:
        assert inspect.iscoroutinefunction(delay)
        assert inspect.iscoroutinefunction(Oven.heat)
        assert inspect.isasyncgenfunction(acount)
        assert inspect.isgeneratorfunction(count)
        assert not inspect.iscoroutinefunction(add)

    def test_name_documentation_signature(self) -> None:
        assert add.__name__ == "add"
        assert echo.__doc__ == "Yields what it is sent, and the name of what is thrown in."
        assert str(inspect.signature(delay)) == "(seconds: 'float') -> 'float'"

    def test_types(self) -> None:
        assert_type(add(1), int)
        assert_type(delay(seconds=1), Coroutine[Any, Any, float]).close()
        assert_type(Oven().bake("x", minutes=1), str)
        assert_type(Oven.below(1), Oven)
        assert_type(Oven.above(1), Oven)
        assert_type(Oven.static_above(1), int)
        assert_type(count(1), Iterator[int])
        assert_type(acount(1), AsyncIterator[int])

    def test_a_subclass_is_what_its_class_method_makes(self) -> None:
        class Small(Oven):
            pass

        assert type(Small.above(1)) is Small
        assert type(Small.below(1)) is Small

    def test_a_partial(self, lines: Lines) -> None:
        assert timed(functools.partial(add, second=3))(1) == 4
        assert lines()[0] == "→ add(1)"

    def test_a_callable_object(self, lines: Lines) -> None:
        class Doubler:
            def __call__(self, number: int) -> int:
                return 2 * number

            def __repr__(self) -> str:
                return "Doubler"

        assert timed(Doubler())(1) == 2
        assert lines()[0] == "→ Doubler(1)"

    def test_a_class_is_refused(self) -> None:
        with pytest.raises(TypeError, match="the class Oven: put it on"):
            timed(Oven)

    def test_what_is_no_function_is_refused(self) -> None:
        with pytest.raises(TypeError, match="timed\\(\\) got 3"):
            timed(3)  # type: ignore[call-overload]
