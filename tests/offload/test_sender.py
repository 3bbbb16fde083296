"""How a worker writes: what interrupts it finds nothing half done, and leaves nothing so."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fournil._worker.control_block import JOURNAL, ControlBlock, new_file
from fournil._worker.own import own_pair
from fournil._worker.sender import Sender
from fournil._worker.wire import ANSWER, Answer


class Late(Exception):
    pass


class Ends:
    """An sender, and all that was read at the other end."""

    def __init__(self) -> None:
        self.here, self.there = own_pair()
        file = new_file()
        self.control_block = ControlBlock(file.descriptor)
        file.close()
        self.sender = Sender(self.here, self.control_block)
        self.read = bytearray()
        self.reader = threading.Thread(target=self.read_all)
        self.reader.start()

    def read_all(self) -> None:
        while data := self.there.recv(1 << 16):
            self.read += data

    def end(self) -> list[tuple[int, int, bytes]]:
        """Return kind, number and body of all records that were read."""
        self.sender.end()
        self.here.close()
        self.reader.join()
        self.there.close()
        records = []
        at = 0
        while at < len(self.read):
            kind, _, _, number, size, _, _ = ANSWER.unpack_from(self.read, at)
            at += ANSWER.size
            records.append((kind, number, bytes(self.read[at : at + size])))
            at += size
        assert at == len(self.read) == self.control_block.tail
        return records


@pytest.fixture
def ends() -> Iterator[Ends]:
    made = Ends()
    yield made
    # pytest keeps it for longer than the test, and the control block's memory holds a descriptor.
    vars(made).clear()


@contextmanager
def interrupted(handler: object) -> Iterator[None]:
    """Have a handler called every few hundred microseconds."""
    before = signal.signal(signal.SIGALRM, handler)  # type: ignore[arg-type]
    signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def answer(number: int, size: int) -> bytes:
    body = bytes([number % 256]) * size
    return ANSWER.pack(Answer.VALUE, 0, 0, number, len(body), 0, 0) + body


def test_a_handler_that_raises(ends: Ends) -> None:
    """What it interrupts is done wholly or not at all."""
    raised = 0
    armed = False

    def handler(number: int, frame: object) -> None:
        nonlocal raised
        if armed:
            raised += 1
            raise Late

    sender = ends.sender
    number = 0
    with interrupted(handler):
        while number < 5000 or raised < 100:
            before = ends.control_block.tail
            try:
                armed = True
                sender.write(answer(number, number * 37 % 5000))
                if number % 3 == 0:
                    sender.flush()
                armed = False
            except Late:
                armed = False
            number += ends.control_block.tail > before
    records = ends.end()
    assert [found for _, found, _ in records] == list(range(number))
    assert all(body == bytes([found % 256]) * (found * 37 % 5000) for _, found, body in records)


def test_a_handler_that_logs(ends: Ends) -> None:
    numbers: list[int] = []

    def handler(number: int, frame: object) -> None:
        # It may be interrupted as well.
        numbers.append(len(numbers))
        assert ends.sender.log(b"a log")

    sender = ends.sender
    number = 0
    with interrupted(handler):
        while number < 5000 or len(numbers) < 100:
            sender.write(answer(number, number * 37 % 5000))
            if number % 3 == 0:
                sender.flush()
            number += 1
    records = ends.end()
    assert [found for kind, found, _ in records if kind == Answer.VALUE] == list(range(number))
    logs = [body for kind, _, body in records if kind == Answer.LOG]
    assert logs == [b"a log"] * len(numbers)


def test_threads_that_log_while_the_main_one_waits_and_works(ends: Ends) -> None:
    each = 2000
    sender = ends.sender
    go_on, wait = os.pipe()
    began = threading.Barrier(4)

    def log(who: int) -> None:
        began.wait()
        for count in range(each):
            assert sender.log(b"%d %d" % (who, count))
        os.write(wait, b"x")

    threads = [threading.Thread(target=log, args=(who,)) for who in range(3)]
    for thread in threads:
        thread.start()
    began.wait()
    number = ended = 0
    while ended < 3:
        for _ in range(20):
            sender.write(answer(number, 100))
            number += 1
        if number % 400 == 0:
            ended += sender.wait(lambda room: os.readv(go_on, [room]), memoryview(bytearray(3)))
    for thread in threads:
        thread.join()
    records = ends.end()
    assert [found for kind, found, _ in records if kind == Answer.VALUE] == list(range(number))
    logs = [tuple(map(int, body.split())) for kind, _, body in records if kind == Answer.LOG]
    for who in range(3):
        assert [count for found, count in logs if found == who] == list(range(each))
    os.close(go_on)
    os.close(wait)


def test_what_is_given_back_is_told_before_the_wait(ends: Ends) -> None:
    ends.sender.give_back(3, False)
    ends.sender.give_back(4, False)

    def receive(room: memoryview) -> int:
        return ends.control_block.tail

    assert ends.sender.wait(receive, memoryview(bytearray(1))) == 2 * ANSWER.size
    assert [(kind, number) for kind, number, _ in ends.end()] == [
        (Answer.RETURNED, 3),
        (Answer.RETURNED, 4),
    ]


def test_more_than_the_journal_holds(ends: Ends) -> None:
    for number in range(50):
        ends.sender.write(answer(number, JOURNAL // 5))
    assert [number for _, number, _ in ends.end()] == list(range(50))


def test_nobody_reads_any_more(ends: Ends) -> None:
    ends.there.shutdown(socket.SHUT_RDWR)
    ends.sender.write(answer(1, 10))
    ends.sender.flush()
    assert ends.sender.lost
    ends.sender.end()
    assert not ends.sender.log(b"to nobody")
    ends.here.close()
    ends.reader.join()
    ends.there.close()
