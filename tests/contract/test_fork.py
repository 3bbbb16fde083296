"""A fork in a running loop: the child runs a loop of its own, the parent goes on."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import sys
import traceback
import warnings
from collections.abc import Callable

import fournil
from tests.contract.loops import Loop, LoopFactory, run_turns_until


def in_child(function: Callable[[], object]) -> int:
    """Run a function in a forked child; return its exit code: 0 unless it raised."""
    with warnings.catch_warnings():
        # Threads of the parent do not matter to what these children do.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        code = 1
        try:
            function()
            code = 0
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


async def use_the_loop() -> str:
    loop = asyncio.get_running_loop()
    await asyncio.sleep(0.001)
    return await loop.run_in_executor(None, lambda: "done")


def run_a_loop(loop_factory: LoopFactory) -> None:
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        assert runner.run(use_the_loop()) == "done"


def test_fork_in_a_callback(loop: Loop, loop_factory: LoopFactory) -> None:
    codes: list[int] = []
    loop.call_soon(lambda: codes.append(in_child(lambda: run_a_loop(loop_factory))))
    run_turns_until(loop, lambda: codes)
    assert codes == [0]
    assert loop.run_until_complete(use_the_loop()) == "done"


def test_fork_in_a_task(loop: Loop, loop_factory: LoopFactory) -> None:
    async def main() -> None:
        assert asyncio.get_running_loop() is loop

        def child() -> None:
            assert asyncio._get_running_loop() is None
            run_a_loop(loop_factory)

        assert in_child(child) == 0
        assert asyncio.get_running_loop() is loop
        assert await use_the_loop() == "done"

    loop.run_until_complete(main())


def test_what_the_parent_waits_for_is_left_alone(
    loop: Loop, loop_factory: LoopFactory, pipe: tuple[int, int]
) -> None:
    got: list[bytes] = []
    loop.add_reader(pipe[0], lambda: got.append(os.read(pipe[0], 10)))
    timer = loop.call_later(3600, print)
    ran: list[int] = []

    def child() -> None:
        run_a_loop(loop_factory)
        # Neither belongs to the child's loop.
        assert got == []

    loop.call_soon(lambda: ran.append(in_child(child)))
    run_turns_until(loop, lambda: ran)
    os.write(pipe[1], b"x")
    run_turns_until(loop, lambda: got)
    loop.remove_reader(pipe[0])
    timer.cancel()
    assert (ran, got) == ([0], [b"x"])


def test_a_loop_that_does_not_run_goes_on_in_the_child(loop: Loop) -> None:
    # As a program does that makes its loop and then becomes a daemon.
    loop.call_soon(int)
    code = in_child(lambda: loop.run_until_complete(use_the_loop()))
    assert code == 0


def test_what_a_child_finds_lost_has_more_watched(loop: Loop, loop_factory: LoopFactory) -> None:
    """The table of what is watched is another one, when the child's own has been registered."""
    server = loop.run_until_complete(asyncio.start_server(lambda *_: None, "127.0.0.1", 0))
    one, other = socket.socketpair()

    def child() -> None:
        high = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 1

        def watch_more(*_: object) -> None:
            os.dup2(one.fileno(), high)
            loop.add_reader(high, int)

        loop.set_exception_handler(watch_more)
        os.close(server.sockets[0].fileno())
        loop.add_reader(other.fileno(), loop.stop)
        one.send(b"x")
        loop.run_forever()

    if isinstance(loop, fournil.EventLoop):
        with one, other:
            assert in_child(child) == 0
    one.close()
    other.close()
    server.close()
    loop.run_until_complete(server.wait_closed())
