"""The loop's own descriptors, when a program closes what it did not open and takes the numbers."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import fournil
from tests.contract.connections import Acting, connected, look, unix_pair, until
from tests.contract.test_fork import in_child


@pytest.fixture
def loop() -> Iterator[fournil.EventLoop]:
    loop = fournil.EventLoop()
    yield loop
    loop.close()


def own_descriptors(loop: fournil.EventLoop) -> list[int]:
    """Return the numbers of what a loop opens for itself, with its pipe for signals."""
    assert loop._ssock is not None
    assert loop._csock is not None
    epoll = loop._poller.fileno()
    with open(f"/proc/self/fdinfo/{epoll}") as info:
        fields = [line.split() for line in info if line.startswith("tfd:")]
    (waker,) = {int(field[1]) for field in fields} - {loop._ssock.fileno()}
    return [epoll, waker, loop._ssock.fileno(), loop._csock.fileno()]


def test_they_are_out_of_the_way_of_the_programs_own(loop: fournil.EventLoop) -> None:
    assert min(own_descriptors(loop)) >= 960


PROGRAM = """
import asyncio, os, select, signal, socket, sys, threading
import fournil

kind, path = sys.argv[1:]
kept = [os.pipe(), os.pipe()]

def opened():
    if kind == "file":
        return os.open(path, os.O_RDWR)
    if kind == "pipe":
        return os.dup(kept[0][1])
    if kind == "epoll":
        poll = select.epoll()
        poll.register(kept[1][0], select.EPOLLIN)
        os.write(kept[1][1], b"x")
        kept.append(poll)
        return os.dup(poll.fileno())
    if kind == "loop":
        other = fournil.EventLoop()
        kept.append(other)
        return os.dup(other._poller.fileno())
    if kind == "eventfd":
        return os.eventfd(0, os.EFD_NONBLOCK)
    if kind == "socket":
        pair = socket.socketpair()
        kept.append(pair)
        return os.dup(pair[0].fileno())

async def main():
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, print)
    numbers = sorted(int(name) for name in os.listdir("/proc/self/fd") if int(name) >= 900)
    for number in numbers:
        try:
            os.close(number)
        except OSError:
            pass  # that of the listing
    if kind != "nothing":
        number = opened()
        taken.extend(numbers)
        for wanted in numbers:
            os.dup2(number, wanted)
    threading.Thread(target=loop.call_soon_threadsafe, args=(int,)).start()
    await asyncio.sleep(0.05)

taken = []
try:
    fournil.run(main())
except OSError as error:
    print(error)
for number in taken:
    os.fstat(number)  # nobody closed it
if kind == "pipe":
    os.set_blocking(kept[0][0], False)
    try:
        print("written:", os.read(kept[0][0], 100))
    except BlockingIOError:
        pass
if kind == "eventfd":
    try:
        print("written:", os.eventfd_read(taken[0]))
    except BlockingIOError:
        pass
if kind == "socket":
    kept[-1][1].setblocking(False)
    try:
        print("written:", kept[-1][1].recv(100))
    except BlockingIOError:
        pass
if kind == "epoll":
    assert kept[-1].poll(0) == [(kept[1][0], select.EPOLLIN)]
if kind == "loop":
    kept[-1].run_until_complete(asyncio.sleep(0.001))
    kept[-1].close()
"""


@pytest.mark.parametrize("kind", ["nothing", "file", "pipe", "epoll", "loop", "eventfd", "socket"])
def test_a_loop_whose_descriptors_were_closed_says_so_and_touches_nothing(
    kind: str, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"precious")
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, kind, path],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    # What is reported by another loop's instance is the first thing that could tell them apart.
    if kind != "loop":
        assert "were closed by the program" in ended.stdout, ended.stderr
    assert "written" not in ended.stdout
    assert path.read_bytes() == b"precious"
    assert ended.returncode == 0, ended.stderr


def test_a_program_that_closes_what_it_inherited_goes_on(loop: fournil.EventLoop) -> None:
    def close_all() -> None:
        async def main() -> None:
            os.closerange(3, 256)
            with open(os.devnull, "wb", buffering=0):
                await loop.run_in_executor(None, threading.get_ident)
                await asyncio.sleep(0.001)

        loop.run_until_complete(main())
        loop.close()

    assert in_child(close_all) == 0


def test_a_number_of_its_own_that_the_loop_could_not_move_is_still_known(
    loop: fournil.EventLoop,
) -> None:
    def crowded() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
        low = fournil.EventLoop()
        assert max(own_descriptors(low)) < 200
        low.run_until_complete(asyncio.sleep(0.001))
        low.close()

    assert in_child(crowded) == 0


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_that_runs_the_loop_leaves_its_parents_connections_alone(
    loop: fournil.EventLoop,
) -> None:
    def end(transport: asyncio.Transport) -> None:
        transport.abort()
        loop._run_once()
        gc.collect()

    async def main() -> None:
        protocol = Acting()
        one, other = unix_pair()
        readable = asyncio.Event()
        async with connected(protocol) as (transport, peer):
            with one, other:
                loop.add_reader(one, readable.set)
                await look()
                assert in_child(lambda: loop.remove_reader(one)) == 0
                assert in_child(lambda: end(transport)) == 0
                assert in_child(transport.pause_reading) == 0
                assert in_child(loop.close) == 1  # it runs
                other.send(b"x")
                await readable.wait()
                loop.remove_reader(one)
            peer.send(b"hello")
            await until(lambda: protocol.received == b"hello")

    loop.run_until_complete(main())


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_that_goes_on_with_the_loop(loop: fournil.EventLoop) -> None:
    """What a child does that leaves the block in which it was forked by an exception."""

    async def main() -> None:
        protocol = Acting()
        async with connected(protocol) as (_, peer):
            await look()
            pid = os.fork()
            if pid == 0:
                try:
                    # asyncio says that no loop runs in a child.
                    moment = loop.create_future()
                    loop.call_later(0.001, moment.set_result, None)
                    await moment
                    peer.send(b"from the child")
                    while not protocol.received:
                        moment = loop.create_future()
                        loop.call_later(0, moment.set_result, None)
                        await moment
                    os._exit(0 if protocol.received == b"from the child" else 2)
                finally:
                    os._exit(1)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
            peer.send(b"hello")
            await until(lambda: protocol.received == b"hello")

    loop.run_until_complete(main())


def test_signals_come_through_a_pipe_that_is_made_for_the_first(loop: fournil.EventLoop) -> None:
    async def main() -> None:
        came = asyncio.Event()
        for _ in range(2):
            loop.add_signal_handler(signal.SIGUSR1, came.set)
            os.kill(os.getpid(), signal.SIGUSR1)
            await came.wait()
            came.clear()
            loop.remove_signal_handler(signal.SIGUSR1)

    before = len(os.listdir("/proc/self/fd"))
    loop.run_until_complete(asyncio.sleep(0))
    assert len(os.listdir("/proc/self/fd")) == before
    loop.run_until_complete(main())
    assert len(os.listdir("/proc/self/fd")) == before + 2


def test_a_call_from_another_thread_says_that_the_loop_cannot_be_woken() -> None:
    def child() -> None:
        loop = fournil.EventLoop()
        about_to_wait = threading.Event()
        errors: list[OSError] = []

        def call() -> None:
            about_to_wait.wait()
            while Path(f"/proc/self/task/{os.getpid()}/stat").read_text().rsplit(")")[-1][1] != "S":
                pass
            # The kernel's wait keeps the instance, and goes on.
            os.closerange(900, 1024)
            while not errors:
                try:
                    loop.call_soon_threadsafe(loop.stop)
                except OSError as error:
                    errors.append(error)
            one.send(b"x")

        one, other = unix_pair()
        loop.add_reader(other, lambda: os._exit(0 if errors[0].errno == errno.EBADF else 2))
        loop.call_soon(about_to_wait.set)
        threading.Thread(target=call).start()
        loop.run_forever()

    assert in_child(child) == 0


def test_the_one_that_was_closed_is_named() -> None:
    loop = fournil.EventLoop()
    epoll, waker, *_ = own_descriptors(loop)
    os.close(epoll)
    try:
        with pytest.raises(OSError, match=rf"\({epoll}, {waker}\), {epoll} were closed"):
            loop.run_forever()
    finally:
        loop.close()
        os.close(waker)  # known by the other one alone
