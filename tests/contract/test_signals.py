"""add_signal_handler and remove_signal_handler."""

from __future__ import annotations

import asyncio
import os
import signal
import threading

import pytest

from tests.contract.loops import Loop, LoopFactory, Reports, run_turn, run_turns_until


def test_a_handler_runs_in_the_loop(loop: Loop) -> None:
    got: list[object] = []
    loop.add_signal_handler(signal.SIGUSR1, got.append, "first")
    os.kill(os.getpid(), signal.SIGUSR1)
    run_turns_until(loop, lambda: got)
    assert got == ["first"]
    # A second handler takes the place of the first.
    loop.add_signal_handler(signal.SIGUSR1, lambda: got.append(asyncio.get_running_loop()))
    os.kill(os.getpid(), signal.SIGUSR1)
    run_turns_until(loop, lambda: len(got) == 2)
    assert got[1] is loop
    assert loop.remove_signal_handler(signal.SIGUSR1) is True
    assert loop.remove_signal_handler(signal.SIGUSR1) is False
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL


def test_a_signal_wakes_an_idle_loop(loop: Loop) -> None:
    # Sent to the thread that waits, and to another one.
    loop.add_signal_handler(signal.SIGUSR1, loop.stop)
    running = threading.Event()

    def send() -> None:
        running.wait()
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)

    thread = threading.Thread(target=send)
    thread.start()
    loop.call_soon(running.set)
    loop.run_forever()
    thread.join()
    loop.remove_signal_handler(signal.SIGUSR1)


def test_many_signals(loop: Loop) -> None:
    got = {signal.SIGUSR1: 0, signal.SIGUSR2: 0}

    def count(number: signal.Signals) -> None:
        got[number] += 1

    for number in got:
        loop.add_signal_handler(number, count, number)
    for sent in range(1, 101):
        for number in got:
            os.kill(os.getpid(), number)
        while set(got.values()) != {sent}:
            run_turn(loop)
    for number in got:
        loop.remove_signal_handler(number)


def test_a_task_that_a_signal_cancels(loop: Loop) -> None:
    async def main() -> str:
        task = asyncio.current_task()
        assert task is not None
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
        loop.call_soon(os.kill, os.getpid(), signal.SIGTERM)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "cancelled"
        finally:
            loop.remove_signal_handler(signal.SIGTERM)
        return "never"

    assert loop.run_until_complete(main()) == "cancelled"


def test_a_handler_that_fails_is_reported(loop: Loop) -> None:
    def fail() -> None:
        raise ValueError("in the handler")

    loop.set_exception_handler(reports := Reports())
    loop.add_signal_handler(signal.SIGUSR1, fail)
    os.kill(os.getpid(), signal.SIGUSR1)
    run_turns_until(loop, lambda: reports)
    assert str(reports[0]["exception"]) == "in the handler"
    loop.remove_signal_handler(signal.SIGUSR1)


def test_signals_are_given_back_when_the_loop_is_closed(loop: Loop) -> None:
    loop.add_signal_handler(signal.SIGUSR1, print)
    loop.close()
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
    assert signal.set_wakeup_fd(-1) == -1


@pytest.mark.parametrize("number", [signal.SIGKILL, 0, 1000])
def test_signals_that_cannot_be_handled(loop: Loop, number: int) -> None:
    with pytest.raises((RuntimeError, ValueError, OSError)):
        loop.add_signal_handler(number, print)


def test_coroutines_are_no_handlers(loop: Loop) -> None:
    async def handler() -> None:
        pass

    with pytest.raises(TypeError, match="coroutines cannot be used"):
        loop.add_signal_handler(signal.SIGUSR1, handler)


def test_only_in_the_main_thread(loop_factory: LoopFactory) -> None:
    errors: list[BaseException] = []

    def run() -> None:
        loop = loop_factory()
        try:
            loop.add_signal_handler(signal.SIGUSR1, print)
        except (ValueError, RuntimeError) as error:
            errors.append(error)
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert len(errors) == 1
