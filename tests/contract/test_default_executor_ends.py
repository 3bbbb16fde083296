"""Ends of the default executor: by its loop, by the interpreter, in a forked child."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from fournil.offload import default_executor
from tests.contract.executors import Held, executor_of, is_ours
from tests.contract.loops import Loop, LoopFactory, Reports
from tests.contract.test_fork import in_child, run_a_loop


def test_after_its_shutdown(loop: Loop) -> None:
    async def main() -> None:
        thread = await asyncio.to_thread(threading.current_thread)
        calls = [asyncio.ensure_future(asyncio.to_thread(abs, -n)) for n in range(50)]
        await asyncio.sleep(0)
        await loop.shutdown_default_executor()
        assert not thread.is_alive()
        assert await asyncio.gather(*calls) == list(range(50))
        with pytest.raises(RuntimeError, match="Executor shutdown has been called"):
            await asyncio.to_thread(int)
        await loop.shutdown_default_executor()

    loop.run_until_complete(main())


def test_all_calls_have_ended_after_its_shutdown(loop: Loop) -> None:
    async def main() -> int:
        calls = [loop.run_in_executor(None, abs, -n) for n in range(5000)]
        await loop.shutdown_default_executor()
        return sum(call.done() for call in calls)

    assert loop.run_until_complete(main()) == 5000


def test_a_shutdown_with_nothing_to_shut_down(loop: Loop) -> None:
    loop.run_until_complete(loop.shutdown_default_executor())
    assert executor_of(loop) is None
    with pytest.raises(RuntimeError, match="Executor shutdown has been called"):
        loop.run_in_executor(None, int)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="it has a timeout since CPython 3.12")
def test_a_shutdown_that_takes_too_long(loop: Loop, held: Held) -> None:
    shut: Any = loop.shutdown_default_executor
    with pytest.warns(RuntimeWarning, match="within 0.01 seconds"):
        loop.run_until_complete(shut(timeout=0.01))
    with pytest.raises(RuntimeError, match="Executor shutdown has been called"):
        loop.run_in_executor(None, int)
    held.released.set()
    for thread in executor_of(loop)._threads:
        thread.join()


def test_a_loop_that_is_closed_while_calls_run(
    loop: Loop, loop_factory: LoopFactory, held: Held, caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[int] = []
    reports = Reports()
    loop.set_exception_handler(reports)

    async def main() -> None:
        for n in range(20):
            loop.run_in_executor(None, ran.append, n)

    loop.run_until_complete(main())
    threads = set(executor_of(loop)._threads)
    loop.close()
    assert executor_of(loop) is None
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        loop.run_in_executor(None, int)
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        with pytest.raises(RuntimeError, match="Event loop is closed"):
            runner.run(run_in(loop))
    held.released.set()
    for thread in threads:
        thread.join()
    # They are run all the same.
    assert sorted(ran) == list(range(20))
    held.calls.clear()
    gc.collect()
    assert reports == []
    assert not caplog.records


async def run_in(loop: Loop) -> None:
    await loop.run_in_executor(None, int)


@pytest.mark.filterwarnings("ignore:unclosed event loop:ResourceWarning")
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_threads_end_with_a_loop_that_nobody_closed(loop_factory: LoopFactory) -> None:
    def use() -> Any:
        loop = loop_factory()
        return loop.run_until_complete(loop.run_in_executor(None, threading.current_thread))

    thread = use()
    gc.collect()
    thread.join()


@contextlib.contextmanager
def no_more_threads() -> Iterator[None]:
    def fail(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(threading.Thread, "start", fail)
        yield


def test_no_thread_can_be_started(loop: Loop) -> None:
    ran: list[int] = []

    async def main() -> None:
        with no_more_threads(), pytest.raises(RuntimeError, match="can't start new thread"):
            await loop.run_in_executor(None, ran.append, 1)
        await loop.run_in_executor(None, ran.append, 2)

    loop.run_until_complete(main())
    # CPython's leaves it in the queue.
    assert ran == ([2] if is_ours(loop) else [1, 2])


def test_no_more_threads_can_be_started(loop: Loop) -> None:
    if not is_ours(loop):
        pytest.skip("CPython's raises, and runs the call nevertheless")
    released = threading.Event()

    async def main() -> list[int]:
        waiting = loop.run_in_executor(None, released.wait)
        with no_more_threads():
            calls = [loop.run_in_executor(None, abs, -n) for n in range(5)]
        released.set()
        await waiting
        return await asyncio.gather(*calls)

    assert loop.run_until_complete(main()) == list(range(5))


def run_program(loop_factory: LoopFactory, text: str) -> tuple[int, str, str]:
    """Run a program on a kind of loop; return its exit code, and what it wrote and complained."""
    made = loop_factory()
    made.close()
    kind = "fournil.EventLoop" if is_ours(made) else "asyncio.SelectorEventLoop"
    program = PROGRAM.format(loop=kind) + textwrap.dedent(text)
    ran = subprocess.run(
        [sys.executable, "-X", "dev", "-c", program], capture_output=True, text=True, timeout=60
    )
    return ran.returncode, ran.stdout, ran.stderr


PROGRAM = """
import asyncio, os, sys, threading, time, fournil
new_loop = {loop}
began = threading.Event()

def late(text):
    began.set()
    time.sleep(0.05)
    os.write(1, text.encode() + b"\\n")  # in one piece
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        # Closed, or never closed, with calls that run and calls that wait.
        (
            """
            loop = new_loop()
            for _ in range(40):
                loop.run_in_executor(None, late, "ran")
            loop.close()
            """,
            "ran\n" * 40,
        ),
        (
            """
            async def main():
                for _ in range(40):
                    loop.run_in_executor(None, late, "ran")
            loop = new_loop()
            loop.run_until_complete(main())
            loop.close()
            """,
            "ran\n" * 40,
        ),
        # A loop that still runs in another thread.
        (
            """
            async def main():
                begun.set()
                await asyncio.to_thread(late, "ran")
                print("awaited", flush=True)
            begun = threading.Event()
            def run():
                with asyncio.Runner(loop_factory=new_loop) as runner:
                    runner.run(main())
            threading.Thread(target=run).start()
            began.wait()
            """,
            "ran\nawaited\n",
        ),
        # The executor, used by itself at the end.
        (
            """
            loop = new_loop()
            loop.run_until_complete(loop.run_in_executor(None, int))
            loop._default_executor.submit(late, "ran")
            loop.close()
            """,
            "ran\n",
        ),
        # By sys.exit in the midst of a step.
        (
            """
            async def main():
                asyncio.get_running_loop().run_in_executor(None, late, "ran")
                began.wait()
                sys.exit(0)
            loop = new_loop()
            try:
                loop.run_until_complete(main())
            finally:
                loop.close()
            """,
            "ran\n",
        ),
    ],
)
def test_the_interpreter_waits_for_calls(loop_factory: LoopFactory, text: str, said: str) -> None:
    code, out, err = run_program(loop_factory, text)
    assert (code, out) == (0, said), err
    assert "Traceback" not in err


def test_calls_once_the_interpreter_ends(loop_factory: LoopFactory) -> None:
    """As code does that `threading` calls before it waits for threads."""
    code, out, err = run_program(
        loop_factory,
        """
        loop = new_loop()
        loop.run_until_complete(loop.run_in_executor(None, int))

        async def main():
            try:
                await asyncio.to_thread(int)
            except RuntimeError as error:
                print(error)

        def at_the_end():
            threading.main_thread().join()
            time.sleep(0.05)
            loop.run_until_complete(main())
            loop.close()

        threading.Thread(target=at_the_end).start()
        """,
    )
    assert (code, out) == (0, "cannot schedule new futures after shutdown\n"), err


def test_more_threads_can_be_started_again(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    if not is_ours(loop):
        pytest.skip("CPython's raises, and runs the call nevertheless")
    monkeypatch.setattr(default_executor, "RETRY_NS", 0)

    async def main() -> None:
        released = threading.Event()
        waiting = loop.run_in_executor(None, released.wait)
        with no_more_threads():
            calls = [loop.run_in_executor(None, int) for _ in range(5)]
        released.set()
        await asyncio.gather(waiting, *calls)
        # Calls that wait for one another have a thread each.
        meeting = threading.Barrier(executor_of(loop)._max_workers)
        await asyncio.gather(*(asyncio.to_thread(meeting.wait) for _ in range(meeting.parties)))

    loop.run_until_complete(main())


def test_in_a_forked_child(loop: Loop, loop_factory: LoopFactory) -> None:
    """With threads that are idle, or busy, in the parent."""
    if not is_ours(loop):
        pytest.skip("CPython's counts on threads that are not there, and waits for ever")

    async def use() -> list[int]:
        await loop.shutdown_asyncgens()
        return await asyncio.gather(*(asyncio.to_thread(abs, -n) for n in range(20)))

    def child() -> None:
        assert loop.run_until_complete(use()) == list(range(20))
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
        run_a_loop(loop_factory)

    assert loop.run_until_complete(use()) == list(range(20))
    assert in_child(child) == 0
    held = Held(loop)
    waiting = loop.run_in_executor(None, int)
    assert in_child(child) == 0
    held.released.set()
    assert loop.run_until_complete(waiting) == 0
    assert loop.run_until_complete(use()) == list(range(20))


def test_the_executor_itself_in_a_forked_child(loop: Loop) -> None:
    if not is_ours(loop):
        pytest.skip("CPython's counts on threads that are not there, and waits for ever")
    loop.run_until_complete(loop.run_in_executor(None, int))

    def child() -> None:
        assert executor_of(loop).submit(abs, -3).result() == 3
        executor_of(loop).shutdown()

    assert in_child(child) == 0
    assert executor_of(loop).submit(abs, -3).result() == 3


def test_a_fork_in_one_of_its_threads(loop: Loop, loop_factory: LoopFactory) -> None:
    code = loop.run_until_complete(
        asyncio.wait_for(asyncio.to_thread(in_child, lambda: run_a_loop(loop_factory)), None)
    )
    assert code == 0
    assert loop.run_until_complete(asyncio.wait_for(asyncio.to_thread(abs, -3), None)) == 3
