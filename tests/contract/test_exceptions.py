"""What callbacks raise: what the exception handler is told, and what ends the loop."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.loops import Loop, LoopFactory, Reports, keep_awake, run_turn


def fail(error: BaseException) -> None:
    raise error


@pytest.fixture
def reports(loop: Loop) -> Iterator[Reports]:
    reports = Reports()
    loop.set_exception_handler(reports)
    yield reports
    reports.clear()


def test_the_report(loop: Loop, reports: Reports) -> None:
    error = ValueError("oops")
    handle = loop.call_soon(fail, error)
    ran: list[int] = []
    loop.call_soon(ran.append, 1)
    run_turn(loop)
    assert ran == [1]
    (report,) = reports
    assert report.keys() == {"message", "exception", "handle"}
    assert report["exception"] is error
    assert report["handle"] is handle
    shown = f"fail({error!r})" if sys.version_info < (3, 13) else "fail()"
    line = fail.__code__.co_firstlineno
    assert report["message"] == f"Exception in callback {shown} at {__file__}:{line}"


def test_the_report_in_debug_mode(loop: Loop, reports: Reports) -> None:
    loop.set_debug(True)
    line = sys._getframe().f_lineno + 1
    loop.call_soon(fail, ValueError("1"))
    run_turn(loop)
    (report,) = reports
    assert report.keys() == {"message", "exception", "handle", "source_traceback"}
    assert "fail(ValueError('1'))" in report["message"]
    assert (report["source_traceback"][-1].filename, report["source_traceback"][-1].lineno) == (
        __file__,
        line,
    )


def test_the_traceback_is_that_of_the_callback(loop: Loop, reports: Reports) -> None:
    loop.call_soon(fail, ValueError())
    run_turn(loop)
    traceback = reports[0]["exception"].__traceback__
    frames = []
    while traceback is not None:
        frames.append(traceback.tb_frame.f_code.co_name)
        traceback = traceback.tb_next
    assert frames[-1] == "fail"
    assert len(frames) <= 2


@pytest.mark.parametrize(
    "schedule",
    [
        lambda loop, *call: loop.call_later(0, *call),
        lambda loop, *call: loop.call_at(0, *call),
        lambda loop, *call: loop.call_soon_threadsafe(*call),
    ],
)
def test_other_ways_to_schedule(loop: Loop, reports: Reports, schedule: Any) -> None:
    handle = schedule(loop, fail, ValueError())
    while not reports:
        run_turn(loop)
    assert reports[0]["handle"] is handle


def test_the_handler_runs_while_the_exception_is_handled(loop: Loop) -> None:
    seen: list[BaseException | None] = []
    loop.set_exception_handler(lambda loop, context: seen.append(sys.exception()))
    error = ValueError()
    loop.call_soon(fail, error)
    loop.call_soon(lambda: seen.append(sys.exception()))
    run_turn(loop)
    assert seen == [error, None]


def test_what_the_handler_raises_ends_the_loop(loop: Loop) -> None:
    def handler(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        raise KeyboardInterrupt

    loop.set_exception_handler(handler)
    error = ValueError()
    loop.call_soon(fail, error)
    with pytest.raises(KeyboardInterrupt) as caught:
        run_turn(loop)
    assert caught.value.__context__ is error
    loop.set_exception_handler(None)
    run_turn(loop)


def test_a_generator_exit_and_a_cancelled_error_are_reported(loop: Loop, reports: Reports) -> None:
    loop.call_soon(fail, GeneratorExit())
    loop.call_soon(fail, asyncio.CancelledError())
    run_turn(loop)
    assert [type(report["exception"]) for report in reports] == [
        GeneratorExit,
        asyncio.CancelledError,
    ]


def test_without_a_handler_it_is_logged(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    loop.call_soon(fail, ValueError("for the log"))
    run_turn(loop)
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("asyncio", logging.ERROR)
    assert record.getMessage().startswith("Exception in callback fail(")
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "for the log"


def test_a_handler_that_fails_is_logged(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    loop.set_exception_handler(lambda loop, context: fail(TypeError("in the handler")))
    loop.call_soon(fail, ValueError())
    run_turn(loop)
    (record,) = caplog.records
    assert record.getMessage().startswith("Unhandled error in exception handler")
    caplog.clear()  # its traceback has the handle


@pytest.mark.skipif(sys.version_info < (3, 12), reason="new in 3.12")
def test_the_handler_runs_in_the_callbacks_context(loop: Loop) -> None:
    variable = contextvars.ContextVar("variable", default="unset")
    seen: list[str] = []
    loop.set_exception_handler(lambda loop, context: seen.append(variable.get()))
    context = contextvars.copy_context()
    context.run(variable.set, "of the callback")
    loop.call_soon(fail, ValueError(), context=context)
    run_turn(loop)
    assert seen == ["of the callback"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_loop(loop: Loop, reports: Reports, error: type[BaseException]) -> None:
    ran: list[int] = []
    loop.call_soon(ran.append, 1)
    loop.call_soon(fail, error("now"))
    loop.call_soon(ran.append, 2)
    with pytest.raises(error, match="now"):
        loop.run_forever()
    assert ran == [1]
    assert not loop.is_running()
    assert asyncio._get_running_loop() is None
    # The loop is usable, and goes on where it was.
    run_turn(loop)
    assert ran == [1, 2]
    assert loop.run_until_complete(asyncio.sleep(0, "done")) == "done"
    assert reports == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_loop_from_a_task(loop: Loop, error: type[BaseException]) -> None:
    async def main() -> None:
        await asyncio.sleep(0)
        raise error

    with pytest.raises(error):
        loop.run_until_complete(main())
    assert loop.run_until_complete(asyncio.sleep(0, "done")) == "done"


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_loop_in_debug_mode(loop: Loop, error: type[BaseException]) -> None:
    loop.set_debug(True)
    loop.call_soon(fail, error())
    with pytest.raises(error):
        loop.run_forever()
    run_turn(loop)


def test_subclasses_of_what_ends_the_loop(loop: Loop, reports: Reports) -> None:
    class Exit(SystemExit):
        pass

    loop.call_soon(fail, Exit())
    with pytest.raises(Exit):
        loop.run_forever()
    assert reports == []


def test_a_keyboard_interrupt_while_the_loop_waits(loop: Loop) -> None:
    keep_awake(loop)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.015)
        with pytest.raises(KeyboardInterrupt):
            loop.run_forever()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert loop.run_until_complete(asyncio.sleep(0, "done")) == "done"


def test_the_runner_cancels_its_main_task_on_ctrl_c(loop_factory: LoopFactory) -> None:
    seen: list[str] = []

    async def main() -> None:
        try:
            asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise
        finally:
            seen.append("cleaned up")
            await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        with pytest.raises(KeyboardInterrupt):
            runner.run(main())
        assert seen == ["cancelled", "cleaned up"]
        # And it can be used again.
        assert runner.run(asyncio.sleep(0, "done")) == "done"


def test_the_runner_is_interrupted_by_a_signal_while_it_waits(loop_factory: LoopFactory) -> None:
    async def main() -> None:
        keep_awake(asyncio.get_running_loop())
        waiting.set()
        await asyncio.Event().wait()

    def interrupt() -> None:
        waiting.wait()
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    waiting = threading.Event()
    thread = threading.Thread(target=interrupt)
    thread.start()
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        with pytest.raises(KeyboardInterrupt):
            runner.run(main())
    thread.join()


def test_a_second_ctrl_c_ends_at_once(loop_factory: LoopFactory) -> None:
    async def main() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        with pytest.raises(KeyboardInterrupt):
            runner.run(main())


def test_an_exception_never_retrieved_is_reported(loop: Loop, reports: Reports) -> None:
    async def main() -> None:
        raise ValueError("lost")

    task = loop.create_task(main())
    run_turn(loop)
    run_turn(loop)
    del task
    gc.collect()
    (report,) = reports
    assert report["message"] == "Task exception was never retrieved"
    assert str(report["exception"]) == "lost"
    reports.clear()


@pytest.mark.parametrize("debug", [False, True])
def test_a_task_that_failed_is_let_go_of_at_once(loop: Loop, reports: Reports, debug: bool) -> None:
    async def fail() -> None:
        raise ValueError("lost")

    async def main() -> int:
        loop.create_task(fail())
        await asyncio.sleep(0)
        return len(reports)

    loop.set_debug(debug)
    assert loop.run_until_complete(main()) == 1


def test_a_future_with_an_exception_never_retrieved_is_reported(
    loop: Loop, reports: Reports
) -> None:
    future = loop.create_future()
    future.set_exception(ValueError("lost"))
    del future
    gc.collect()
    (report,) = reports
    assert report["message"] == "Future exception was never retrieved"
    reports.clear()


def test_a_task_destroyed_while_it_is_pending_is_reported(loop: Loop, reports: Reports) -> None:
    async def main() -> None:
        await loop.create_future()

    task = loop.create_task(main())
    run_turn(loop)
    del task
    gc.collect()
    (report,) = reports
    assert report["message"] == "Task was destroyed but it is pending!"
    reports.clear()


def test_the_handler_can_be_asked_and_taken_away(loop: Loop) -> None:
    reports = Reports()
    assert loop.get_exception_handler() is None
    loop.set_exception_handler(reports)
    assert loop.get_exception_handler() is reports
    loop.set_exception_handler(None)
    assert loop.get_exception_handler() is None
    with pytest.raises(TypeError, match="callable"):
        loop.set_exception_handler("nonsense")  # type: ignore[arg-type]
