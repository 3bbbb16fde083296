"""Objects of the program that raise, of whatever kind, while they travel: each costs one call."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fournil
from tests.offload import biters
from tests.offload.biters import Biter, Own
from tests.offload.functions import Gate, double
from tests.offload.under_test import ISOLATED, KINDS

ERRORS = [
    ValueError,
    StopIteration,
    StopAsyncIteration,
    MemoryError,
    RecursionError,
    KeyboardInterrupt,
    SystemExit,
    GeneratorExit,
    asyncio.CancelledError,
    Own,
]

WAYS: dict[str, Callable[[fournil.Pool, Any, tuple[Any, ...]], Any]] = {
    "run": lambda pool, function, args: pool.run(function, *args),
    "map": lambda pool, function, args: anext(pool.map(function, *([arg] for arg in args))),
    "executor": lambda pool, function, args: asyncio.wrap_future(
        pool.executor.submit(function, *args)
    ),
}


@pytest.fixture(params=ISOLATED)
def make(request: pytest.FixtureRequest) -> Callable[..., fournil.Pool]:
    return ISOLATED[request.param]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("error", ERRORS)
def test_one_call_fails_and_says_what_happened(
    make: Callable[..., fournil.Pool],
    error: type[BaseException],
    way: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        async with make(workers=1) as pool:

            async def told(function: Any, *args: Any) -> str:
                try:
                    value = await WAYS[way](pool, function, args)
                except Exception as why:
                    value = f"{type(why).__name__}: {why}"
                assert await pool.run(double, 4) == 8
                return str(value)

            for side in ("worker", "program"):
                text = await told(biters.give, "pickled", side, error)
                if side == "worker":
                    assert text.startswith("CannotTravelError: the result cannot travel"), text
                text = await told(biters.give, "unpickled", side, error)
                if side == "program":
                    assert text.startswith(
                        f"CannotTravelError: what give returned cannot be unpickled here"
                        f" ({error.__name__}: bitten)"
                    ), text
                for when in ("pickled", "unpickled"):
                    text = await told(biters.fail, when, side, error)
                    assert text.endswith("BitingError: the text")
                    assert await told(biters.log, when, side, error) == "logged"
            text = await told(biters.take, Biter("pickled", "program", error))
            assert text.startswith("CannotTravelError: argument 1 of take cannot travel"), text
            text = await told(biters.take, Biter("unpickled", "worker", error))
            assert "bitten" in text
            [worker] = pool.statistics().workers
            assert worker.name.endswith(" 1"), "the worker did not live"

    fournil.run(main())
    said = [record for record in caplog.records if record.name == "biters"]
    assert [record.getMessage() for record in said] == ["said"] * 4, "a record is lost"


@pytest.mark.parametrize("error", ERRORS)
def test_context_variables_and_initializers(
    make: Callable[..., fournil.Pool], error: type[BaseException]
) -> None:
    async def main() -> None:
        for when, side in (("pickled", "program"), ("unpickled", "worker")):
            async with make(workers=1, context_vars=[biters.VARIABLE]) as pool:
                biters.VARIABLE.set(Biter(when, side, error))
                with pytest.raises(Exception, match=r"bitten|deep recursion") as caught:
                    await pool.run(double, 4)
                if side == "program":
                    text = "the context variable VARIABLE of double cannot travel"
                    assert str(caught.value).startswith(text)
                biters.VARIABLE.set(None)
                assert await pool.run(double, 4) == 8
        async with make(
            workers=1, initializer=biters.fail, initargs=("pickled", "worker", error)
        ) as pool:
            for _ in range(2):
                with pytest.raises(fournil.RemoteError, match="BitingError: the text"):
                    await pool.run(double, 4)

    fournil.run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_an_exception_that_bites_wherever_it_is_touched(kind: str) -> None:
    async def main() -> None:
        async with KINDS[kind](workers=1) as pool:
            call = pool.run(biters.touch_not)
            await asyncio.gather(call, return_exceptions=True)
            assert type(call.exception()) is biters.UntouchableError
            assert await pool.run(double, 4) == 8

    fournil.run(main())


@pytest.mark.parametrize("function", [biters.fail_endlessly, biters.give_endless])
def test_what_never_ends_being_pickled_is_cancelled(
    make: Callable[..., fournil.Pool], gates: Callable[[], Gate], function: Any
) -> None:
    gate = gates()

    async def main() -> None:
        async with make(workers=1) as pool:
            call = pool.run(function, gate)
            await gate.until_reached()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert await pool.run(double, 4) == 8
            [worker] = pool.statistics().workers
            assert worker.name.endswith(" 1"), "it was killed"

    fournil.run(main())


def test_handlers_and_filters_that_raise(make: Callable[..., fournil.Pool]) -> None:
    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise errors[-1]("of the handler")

    errors: list[type[BaseException]] = []
    told: list[dict[str, Any]] = []
    handler = Handler()
    logger = logging.getLogger("biters")

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        async with make(workers=1) as pool:
            for error in ERRORS:
                errors.append(error)
                assert await pool.run(biters.log, "pickled", "nowhere", Own) == "logged"

    logger.addHandler(handler)
    try:
        fournil.run(main())
    finally:
        logger.removeHandler(handler)
    assert [type(context["exception"]) for context in told] == ERRORS
    for context in told:
        assert "'said' of the logger 'biters', is lost" in context["message"]


def test_a_handler_that_raises_where_that_is_told() -> None:
    """Asyncio tells by logging: then it goes to stderr."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            """
import asyncio, logging, fournil

class Handler(logging.Handler):
    def emit(self, record):
        raise KeyboardInterrupt("of the handler")

def work(number):
    logging.getLogger("oven").warning("hot")
    return number

async def main():
    async with fournil.ProcessPool(1) as pool:
        print([await pool.run(work, n) for n in range(3)])

logging.getLogger().addHandler(Handler())
fournil.run(main())
""",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[0, 1, 2]\n"
    assert done.stderr.count("'hot' of the logger 'oven', is lost") == 3
    assert "KeyboardInterrupt: of the handler" in done.stderr


INTERRUPTED = """
import asyncio, os, signal, sys, time

import fournil

class Slow:
    def __reduce__(self):
        return hold, (os.getpid(),)

def hold(worker):
    if os.getpid() != worker:
        os.kill(os.getpid(), signal.{signal})
        time.sleep(60)

def work():
    return Slow()

async def main():
    async with fournil.ProcessPool(1) as pool:
        call = pool.run(work)
        try:
            await call
        except fournil.CannotTravelError as why:
            print("the call", why)

{prepare}
loop = fournil.new_event_loop()
try:
    loop.run_until_complete(main())
except BaseException as why:
    print("the program", type(why).__name__)

async def after():
    async with fournil.ProcessPool(1) as pool:
        return await pool.run(pow, 2, 3)

print(loop.run_until_complete(after()))
loop.close()
"""


@pytest.mark.parametrize(
    ("number", "prepare", "raised", "text"),
    [
        ("SIGINT", "", "KeyboardInterrupt", ""),
        ("SIGTERM", "signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))", "SystemExit", "3"),
    ],
)
def test_a_signal_while_a_result_is_unpickled_is_the_programs(
    tmp_path: Path, number: str, prepare: str, raised: str, text: str
) -> None:
    """What its handler raises is no fault of the object."""
    script = tmp_path / "script.py"
    script.write_text(INTERRUPTED.replace("{signal}", number).replace("{prepare}", prepare))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        f"the program {raised}",
        f"the call what work returned cannot be unpickled here ({raised}: {text})",
        "8",
    ]
    assert done.stderr == ""
