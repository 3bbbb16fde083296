"""add_reader and add_writer: descriptors of all kinds, changed, closed and used again."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import tempfile
from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.loops import Loop, Reports, run_turn, run_turns_until

Pipe = tuple[int, int]
Pair = tuple[socket.socket, socket.socket]


def test_a_reader_runs_when_there_is_something(loop: Loop, pipe: Pipe) -> None:
    got: list[bytes] = []
    loop.add_reader(pipe[0], lambda: got.append(os.read(pipe[0], 100)))
    run_turn(loop)
    assert got == []
    os.write(pipe[1], b"one")
    run_turns_until(loop, lambda: got)
    run_turn(loop)
    assert got == [b"one"]
    os.write(pipe[1], b"two")
    run_turns_until(loop, lambda: len(got) == 2)
    assert loop.remove_reader(pipe[0]) is True
    assert loop.remove_reader(pipe[0]) is False
    os.write(pipe[1], b"three")
    run_turn(loop)
    run_turn(loop)
    assert got == [b"one", b"two"]


def test_a_reader_wakes_an_idle_loop(loop: Loop, pipe: Pipe) -> None:
    loop.add_reader(pipe[0], loop.stop)
    loop.run_in_executor(None, os.write, pipe[1], b"x")
    loop.run_forever()
    loop.remove_reader(pipe[0])


def test_a_reader_runs_until_all_is_read(loop: Loop, pipe: Pipe) -> None:
    got: list[bytes] = []
    os.write(pipe[1], b"abc")
    loop.add_reader(pipe[0], lambda: got.append(os.read(pipe[0], 1)))
    run_turns_until(loop, lambda: len(got) == 3)
    run_turn(loop)
    assert got == [b"a", b"b", b"c"]
    loop.remove_reader(pipe[0])


def test_a_writer_runs_while_there_is_room(loop: Loop, pipe: Pipe) -> None:
    wrote = 0

    def write() -> None:
        nonlocal wrote
        try:
            wrote += os.write(pipe[1], bytes(4096))
        except BlockingIOError:
            full.append(True)
            loop.remove_writer(pipe[1])

    full: list[bool] = []
    loop.add_writer(pipe[1], write)
    run_turns_until(loop, lambda: wrote >= 65536)
    run_turn(loop)
    # A full pipe is not ready, or its writer found that out by itself.
    run_turn(loop)
    assert wrote == 65536
    loop.remove_writer(pipe[1])
    assert loop.remove_writer(pipe[1]) is False


def test_arguments(loop: Loop, pipe: Pipe) -> None:
    got: list[tuple[object, ...]] = []
    loop.add_writer(pipe[1], lambda *args: got.append(args), 1, "two")
    run_turns_until(loop, lambda: got)
    loop.remove_writer(pipe[1])
    assert got[0] == (1, "two")


def test_both_on_one_descriptor(loop: Loop, pair: Pair) -> None:
    ran: list[str] = []
    fd = pair[0].fileno()
    loop.add_reader(fd, lambda: ran.append("read " + pair[0].recv(10).decode()))
    loop.add_writer(fd, ran.append, "write")
    run_turns_until(loop, lambda: ran)
    assert set(ran) == {"write"}
    pair[1].send(b"x")
    run_turns_until(loop, lambda: "read x" in ran)
    assert loop.remove_writer(fd) is True
    ran.clear()
    run_turn(loop)
    run_turn(loop)
    assert ran == []
    pair[1].send(b"y")
    run_turns_until(loop, lambda: ran)
    assert ran == ["read y"]
    loop.add_writer(fd, ran.append, "write")
    assert loop.remove_reader(fd) is True
    pair[1].send(b"z")
    ran.clear()
    run_turns_until(loop, lambda: ran)
    assert set(ran) == {"write"}
    assert loop.remove_writer(fd) is True


def test_replace(loop: Loop, pair: Pair) -> None:
    ran: list[str] = []
    for end in pair:
        end.send(b"x")
    loop.add_reader(pair[0], ran.append, "old")
    loop.add_reader(pair[0], ran.append, "new")
    loop.add_writer(pair[1], ran.append, "old writer")
    loop.add_writer(pair[1], ran.append, "new writer")
    run_turns_until(loop, lambda: len(ran) >= 2)
    assert set(ran) == {"new", "new writer"}
    assert loop.remove_reader(pair[0]) is True
    assert loop.remove_reader(pair[0]) is False
    assert loop.remove_writer(pair[1]) is True
    assert loop.remove_writer(pair[1]) is False


def test_replace_inside_the_callback(loop: Loop, pipe: Pipe) -> None:
    ran: list[str] = []

    def first() -> None:
        ran.append("first")
        loop.add_reader(pipe[0], second)

    def second() -> None:
        ran.append("second")
        loop.remove_reader(pipe[0])

    os.write(pipe[1], b"x")
    loop.add_reader(pipe[0], first)
    run_turns_until(loop, lambda: len(ran) == 2)
    run_turn(loop)
    assert ran == ["first", "second"]


def test_remove_inside_the_callback(loop: Loop, pair: Pair) -> None:
    # Both are ready in one look at the kernel: the first to run takes both away.
    ran: list[str] = []

    def once(name: str) -> None:
        ran.append(name)
        loop.remove_reader(pair[0])
        loop.remove_writer(pair[0])

    pair[1].send(b"x")
    loop.add_reader(pair[0], once, "reader")
    loop.add_writer(pair[0], once, "writer")
    run_turns_until(loop, lambda: ran)
    run_turn(loop)
    assert len(ran) == 1


def test_remove_what_is_not_there(loop: Loop, pipe: Pipe) -> None:
    assert loop.remove_reader(pipe[0]) is False
    assert loop.remove_writer(pipe[1]) is False
    loop.add_reader(pipe[0], print)
    assert loop.remove_writer(pipe[0]) is False
    loop.remove_reader(pipe[0])


def test_a_cancelled_handle_does_not_keep_the_loop_busy(loop: Loop, pair: Pair) -> None:
    pair[1].send(b"x")
    read: Any = loop._add_reader(pair[0].fileno(), print)  # type: ignore[attr-defined]
    write: Any = loop._add_writer(pair[0].fileno(), print)  # type: ignore[attr-defined]
    read.cancel()
    write.cancel()
    run_turns_until(loop, lambda: pair[0].fileno() not in loop._selector.get_map())  # type: ignore[attr-defined]
    assert loop.remove_reader(pair[0]) is False
    assert loop.remove_writer(pair[0]) is False


def test_an_end_is_something_to_read(loop: Loop, pipe: Pipe) -> None:
    got: list[bytes] = []

    def read() -> None:
        got.append(os.read(pipe[0], 10))
        loop.remove_reader(pipe[0])

    loop.add_reader(pipe[0], read)
    os.close(pipe[1])
    run_turns_until(loop, lambda: got)
    assert got == [b""]


def test_a_hang_up_is_told_to_the_writer(loop: Loop, pipe: Pipe) -> None:
    errors: list[int | None] = []

    def write() -> None:
        try:
            os.write(pipe[1], b"x")
        except BrokenPipeError as error:
            errors.append(error.errno)
            loop.remove_writer(pipe[1])

    while True:
        try:
            os.write(pipe[1], bytes(65536))
        except BlockingIOError:
            break
    loop.add_writer(pipe[1], write)
    run_turn(loop)
    assert errors == []
    os.close(pipe[0])
    run_turns_until(loop, lambda: errors)
    assert errors == [errno.EPIPE]


def test_a_hang_up_is_told_to_the_reader(loop: Loop, pair: Pair) -> None:
    got: list[bytes] = []

    def read() -> None:
        got.append(pair[0].recv(10))
        loop.remove_reader(pair[0])

    loop.add_reader(pair[0], read)
    pair[1].shutdown(socket.SHUT_RDWR)
    run_turns_until(loop, lambda: got)
    assert got == [b""]


def test_what_a_reader_raises_is_reported_and_it_stays(loop: Loop, pipe: Pipe) -> None:
    def read() -> None:
        os.read(pipe[0], 1)
        raise ValueError("in the reader")

    loop.set_exception_handler(reports := Reports())
    os.write(pipe[1], b"xx")
    loop.add_reader(pipe[0], read)
    run_turns_until(loop, lambda: len(reports) == 2)
    loop.remove_reader(pipe[0])
    assert [str(report["exception"]) for report in reports] == ["in the reader"] * 2


def test_objects_with_a_descriptor(loop: Loop, pair: Pair) -> None:
    class File:
        def fileno(self) -> int:
            return pair[0].fileno()

    ran: list[bytes] = []
    loop.add_reader(File(), lambda: ran.append(pair[0].recv(10)))
    pair[1].send(b"x")
    run_turns_until(loop, lambda: ran)
    assert loop.remove_reader(pair[0].fileno()) is True
    loop.add_writer(pair[0].fileno(), print)
    assert loop.remove_writer(File()) is True


@pytest.mark.parametrize(
    "change", [lambda loop, file: loop.add_reader(file, print), Loop.remove_reader]
)
@pytest.mark.parametrize("file", [-1, "text", None, object(), 1.5])
def test_what_is_no_descriptor(loop: Loop, change: Callable[..., Any], file: Any) -> None:
    with pytest.raises(ValueError, match="Invalid file"):
        change(loop, file)


@pytest.mark.parametrize("number", [None, 1_000_000_000, 2**31 - 1])
def test_numbers_that_are_no_descriptor(loop: Loop, number: int | None) -> None:
    if number is None:
        with open(os.devnull) as file:
            number = file.fileno()
    with pytest.raises(OSError, match="Bad file descriptor"):
        loop.add_reader(number, print)
    with pytest.raises(OSError, match="Bad file descriptor"):
        loop.add_writer(number, print)
    assert loop.remove_reader(number) is False
    assert loop.remove_writer(number) is False


def test_numbers_out_of_range(loop: Loop) -> None:
    with pytest.raises((OverflowError, ValueError)):
        loop.add_reader(2**40, print)


def test_regular_files_cannot_be_waited_for(loop: Loop) -> None:
    with tempfile.TemporaryFile() as file:
        with pytest.raises(PermissionError):
            loop.add_reader(file, print)
        with pytest.raises(PermissionError):
            loop.add_writer(file.fileno(), print)
        assert loop.remove_reader(file) is False
        assert loop.remove_writer(file) is False


def test_a_closed_socket_can_be_removed(loop: Loop, pair: Pair) -> None:
    loop.add_reader(pair[0], print)
    loop.add_writer(pair[1], print)
    pair[0].close()
    pair[1].close()
    assert loop.remove_reader(pair[0]) is True
    assert loop.remove_writer(pair[1]) is True
    for change in (loop.remove_reader, loop.remove_writer):
        with pytest.raises(ValueError, match="Invalid file descriptor: -1"):
            change(pair[0])


def test_closed_behind_the_loops_back(loop: Loop, pipe: Pipe) -> None:
    ran: list[str] = []
    loop.add_reader(pipe[0], ran.append, "never")
    loop.add_writer(pipe[1], ran.append, "before")
    run_turns_until(loop, lambda: ran)
    os.close(pipe[1])
    os.close(pipe[0])
    ran.clear()
    run_turn(loop)
    assert ran == []
    assert loop.remove_reader(pipe[0]) is True
    assert loop.remove_writer(pipe[1]) is True


def test_a_number_used_again_after_a_close(loop: Loop, pair: Pair) -> None:
    fd = pair[0].fileno()
    loop.add_reader(fd, print)
    loop.remove_reader(fd)
    pair[0].close()
    one, other = os.pipe2(os.O_NONBLOCK)
    os.dup2(one, fd)
    got: list[bytes] = []
    loop.add_reader(fd, lambda: got.append(os.read(fd, 10)))
    os.write(other, b"x")
    run_turns_until(loop, lambda: got)
    assert loop.remove_reader(fd) is True
    for number in {one, other, fd}:
        os.close(number)


def test_one_side_of_a_closed_descriptor_is_removed(loop: Loop, pair: Pair) -> None:
    fd = pair[0].fileno()
    loop.add_reader(fd, print)
    loop.add_writer(fd, print)
    pair[0].close()
    # The kernel refuses the change: from then on the loop knows nothing of it any more.
    with pytest.raises(OSError, match="Bad file descriptor"):
        loop.remove_reader(fd)
    assert loop.remove_writer(fd) is False
    assert loop.remove_reader(fd) is False


def test_a_descriptor_of_a_transport_is_refused(loop: Loop, pair: Pair) -> None:
    async def main() -> None:
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=pair[0])
        fd = pair[0].fileno()
        for change in (loop.add_reader, loop.add_writer):
            with pytest.raises(RuntimeError, match="is used by transport"):
                change(fd, print)
        for remove in (loop.remove_reader, loop.remove_writer):
            with pytest.raises(RuntimeError, match="is used by transport"):
                remove(fd)
        transport.close()

    loop.run_until_complete(main())


def test_many_at_once(loop: Loop) -> None:
    # More than the kernel reports in one go.
    pairs = [socket.socketpair() for _ in range(400)]
    got: set[int] = set()
    wrote: set[int] = set()

    def read(number: int) -> None:
        got.add(number)
        pairs[number][0].recv(1)
        loop.remove_reader(pairs[number][0])

    def write(number: int) -> None:
        wrote.add(number)
        pairs[number][1].send(b"x")
        loop.remove_writer(pairs[number][1])

    for number, (one, other) in enumerate(pairs):
        loop.add_reader(one, read, number)
        loop.add_writer(other, write, number)
    run_turns_until(loop, lambda: len(got) == len(pairs))
    assert wrote == set(range(len(pairs)))
    for pair in pairs:
        for end in pair:
            end.close()


def test_the_map_of_what_is_watched(loop: Loop, pair: Pair) -> None:
    selector: Any = loop._selector  # type: ignore[attr-defined]
    before = set(selector.get_map())
    loop.add_reader(pair[0], print)
    loop.add_writer(pair[0], print)
    loop.add_writer(pair[1].fileno(), print)
    assert set(selector.get_map()) - before == {pair[0].fileno(), pair[1].fileno()}
    key = selector.get_key(pair[0])
    assert key.fileobj is pair[0]
    assert key.fd == pair[0].fileno()
    assert key.events == 3
    assert [handle.cancelled() for handle in key.data] == [False, False]
    assert selector.get_map()[pair[0].fileno()] == key
    key = selector.get_key(pair[1].fileno())
    assert (key.fileobj, key.fd, key.events) == (pair[1].fileno(), pair[1].fileno(), 2)
    assert key.data[0] is None
    for end in pair:
        loop.remove_reader(end)
        loop.remove_writer(end)
    assert set(selector.get_map()) == before
    with pytest.raises(KeyError):
        selector.get_key(pair[0])
