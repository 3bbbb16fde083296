"""Child processes: their output, their end, killing them."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from asyncio.subprocess import DEVNULL, PIPE, STDOUT

import pytest

from tests.contract.loops import Loop, LoopFactory

PYTHON = sys.executable


def test_communicate(loop: Loop) -> None:
    async def main() -> None:
        child = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
        data = bytes(300_000)
        output: object = await child.communicate(data)
        assert output == (data, None)
        assert child.returncode == 0

    loop.run_until_complete(main())


def test_output_and_errors(loop: Loop) -> None:
    async def main() -> None:
        child = await asyncio.create_subprocess_shell(
            "echo out; echo err >&2; exit 3", stdout=PIPE, stderr=PIPE
        )
        assert await child.communicate() == (b"out\n", b"err\n")
        assert child.returncode == 3
        child = await asyncio.create_subprocess_shell(
            "echo out; echo err >&2", stdout=PIPE, stderr=STDOUT
        )
        output: object = await child.communicate()
        assert output == (b"out\nerr\n", None)

    loop.run_until_complete(main())


def test_line_by_line(loop: Loop) -> None:
    async def main() -> None:
        child = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
        assert child.stdin is not None
        assert child.stdout is not None
        for number in range(50):
            child.stdin.write(b"%d\n" % number)
            await child.stdin.drain()
            assert await child.stdout.readline() == b"%d\n" % number
        child.stdin.close()
        assert await child.wait() == 0

    loop.run_until_complete(main())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killed(loop: Loop, number: signal.Signals) -> None:
    async def main() -> None:
        child = await asyncio.create_subprocess_exec("sleep", "3600", stdout=DEVNULL)
        assert child.returncode is None
        child.send_signal(number)
        assert await child.wait() == -number
        assert child.returncode == -number

    loop.run_until_complete(main())


def test_kill_and_terminate(loop: Loop) -> None:
    async def main() -> None:
        one = await asyncio.create_subprocess_exec("sleep", "3600")
        other = await asyncio.create_subprocess_exec("sleep", "3600")
        one.kill()
        other.terminate()
        assert [await one.wait(), await other.wait()] == [-9, -15]

    loop.run_until_complete(main())


def test_a_timeout(loop: Loop) -> None:
    async def main() -> None:
        child = await asyncio.create_subprocess_exec("sleep", "3600")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await child.wait()
        child.kill()
        await child.wait()

    loop.run_until_complete(main())


def test_many_at_once(loop: Loop) -> None:
    async def ask(number: int) -> int | None:
        child = await asyncio.create_subprocess_shell(f"exit {number}")
        return await child.wait()

    async def main() -> None:
        assert await asyncio.gather(*(ask(n) for n in range(20))) == list(range(20))

    loop.run_until_complete(main())


def test_no_such_program(loop: Loop) -> None:
    async def main() -> None:
        with pytest.raises(FileNotFoundError):
            await asyncio.create_subprocess_exec("/no/such/program")

    loop.run_until_complete(main())


def test_from_a_loop_in_another_thread(loop_factory: LoopFactory) -> None:
    async def main() -> bytes:
        child = await asyncio.create_subprocess_exec("echo", "hello", stdout=PIPE)
        output, _ = await child.communicate()
        return output

    def run() -> None:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            results.append(runner.run(main()))

    results: list[bytes] = []
    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [b"hello\n"] * 3


def test_the_events_of_a_protocol(loop: Loop) -> None:
    class Protocol(asyncio.SubprocessProtocol):
        def __init__(self) -> None:
            self.got: dict[int, bytes] = {1: b"", 2: b""}
            self.events: list[str] = []
            self.closed = loop.create_future()

        def pipe_data_received(self, fd: int, data: bytes) -> None:
            self.got[fd] += data

        def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
            self.events.append(f"pipe {fd}")

        def process_exited(self) -> None:
            self.events.append("exited")

        def connection_lost(self, exc: Exception | None) -> None:
            self.closed.set_result(None)

    async def main() -> None:
        transport, protocol = await loop.subprocess_exec(
            Protocol, PYTHON, "-c", "import sys; print('out'); sys.exit('err')", stdin=None
        )
        await protocol.closed
        assert protocol.got == {1: b"out\n", 2: b"err\n"}
        assert sorted(protocol.events) == ["exited", "pipe 1", "pipe 2"]
        assert transport.get_returncode() == 1
        transport.close()

    loop.run_until_complete(main())
