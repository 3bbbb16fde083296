"""`timed` on generators and asynchronous ones: they stay what they are, from first to last."""

from __future__ import annotations

import asyncio
import gc
import re
import threading
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import aclosing

import pytest

from fournil import timed
from tests.timed_functions import Lines, Suspended, acount, add, aecho, count, echo, reader


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    return reader(capsys)


class TestGenerators:
    def test_it_begins_with_the_first_item(self, lines: Lines) -> None:
        numbers = count(2)
        assert lines() == []
        assert next(numbers) == 0
        assert lines() == ["→ count(2)"]
        assert list(numbers) == [1]
        assert lines() == ["← count(2) T"]

    def test_send_throw_and_the_returned_value(self, lines: Lines) -> None:
        generator = echo()
        assert next(generator) == "ready"
        assert generator.send("a") == "a"
        assert generator.throw(ValueError("no")) == "caught no"
        with pytest.raises(StopIteration) as stop:
            generator.send(None)
        assert stop.value.value == "done"
        assert lines() == ["→ echo()", "← echo() T"]

    def test_an_exception_that_is_thrown_in_and_not_caught(self, lines: Lines) -> None:
        generator = echo()
        next(generator)
        with pytest.raises(KeyError):
            generator.throw(KeyError("salt"))
        assert lines()[1] == "← echo() T raised KeyError: 'salt'"

    def test_close_reaches_the_generator(self, lines: Lines) -> None:
        closed = []

        @timed
        def numbers() -> Iterator[int]:
            try:
                yield 1
            finally:
                closed.append(True)

        generator = numbers()
        next(generator)
        assert isinstance(generator, Generator)
        generator.close()
        assert closed
        assert lines() == ["→ numbers()", "← numbers() T closed"]

    def test_close_of_a_generator_that_refuses(self) -> None:
        @timed
        def stubborn() -> Generator[int]:
            try:
                yield 1
            except GeneratorExit:
                yield 2

        generator = stubborn()
        next(generator)
        with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
            generator.close()

    def test_yield_from_delegates(self) -> None:
        def outer() -> Generator[object, object, str]:
            return (yield from echo())

        generator = outer()
        assert next(generator) == "ready"
        assert generator.send(7) == 7

    def test_an_asynchronous_generator(self, lines: Lines) -> None:
        async def main() -> list[int]:
            return [number async for number in acount(3)]

        assert asyncio.run(main()) == [0, 1, 2]
        assert [line.split("] ")[1] for line in lines()] == ["→ acount(3)", "← acount(3) T"]

    def test_asend_athrow_aclose(self, lines: Lines) -> None:
        async def main() -> None:
            generator = aecho()
            assert await anext(generator) == "ready"
            assert await generator.asend("a") == "a"
            assert await generator.athrow(ValueError("no")) == "caught no"
            await generator.aclose()
            with pytest.raises(StopAsyncIteration):
                await anext(generator)
            other = aecho()
            await anext(other)
            with pytest.raises(KeyError):
                await other.athrow(KeyError("salt"))
            ended = aecho()
            await anext(ended)
            with pytest.raises(StopAsyncIteration):
                await ended.asend(None)

        asyncio.run(main())
        assert [line.split("← ")[1] for line in lines() if "←" in line] == [
            "aecho() T closed",
            "aecho() T raised KeyError: 'salt'",
            "aecho() T",
        ]

    def test_a_cancelled_asynchronous_generator(self, lines: Lines) -> None:
        @timed
        async def wait() -> AsyncGenerator[int]:
            yield 1
            await asyncio.sleep(60)

        async def consume() -> None:
            async with aclosing(wait()) as items:
                async for _ in items:
                    pass

        async def main() -> None:
            task = asyncio.create_task(consume())
            await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(main())
        assert lines()[-1].endswith("← wait() T cancelled")

    def test_one_that_is_left_early_is_closed_by_its_loop(self, lines: Lines) -> None:
        closed = []

        @timed
        async def numbers() -> AsyncGenerator[int]:
            try:
                yield 1
                yield 2
            finally:
                await asyncio.sleep(0)
                closed.append(True)

        async def main() -> None:
            async for _ in numbers():
                break
            gc.collect()
            await asyncio.sleep(0.01)
            add(1)

        asyncio.run(main())
        assert closed
        assert re.fullmatch(r"\[Task-\d+\] ← numbers\(\) T closed", lines()[1])

    def test_one_collected_in_another_context(self, lines: Lines) -> None:
        generator = count(9)
        thread = threading.Thread(target=next, args=(generator,), name="first")
        thread.start()
        thread.join()
        assert isinstance(generator, Generator)
        generator.close()
        add(1)
        assert lines()[1:] == ["← count(9) T closed", "→ add(1)", "← add(1) T"]

    def test_a_coroutine_closed_in_another_context(self, lines: Lines) -> None:
        @timed
        async def wait_for_ever() -> None:
            await Suspended()

        coroutine = wait_for_ever()
        thread = threading.Thread(target=coroutine.send, args=(None,), name="first")
        thread.start()
        thread.join()
        coroutine.close()
        add(1)
        assert lines()[1:] == ["← wait_for_ever() T closed", "→ add(1)", "← add(1) T"]
