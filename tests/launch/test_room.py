"""The room of ended recordings is given back, and nothing else is touched."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

import pytest

from fournil.launch.room import BLOCK, OFTEN_S, PAGE, SELDOM_S, Room, _empty
from tests.observe.builder import Builder

LARGE = 4 << 20


def taken(path: Path) -> int:
    return path.stat().st_blocks * 512


def recording(path: Path, *, closed: bool) -> bytes:
    data = Builder().end(1.0, closed=closed).build()
    path.write_bytes(data + bytes(LARGE - len(data)))
    return path.read_bytes()


def test_what_an_ended_recording_did_not_need_is_given_back(tmp_path: Path) -> None:
    path = tmp_path / "12.fournil"
    data = recording(path, closed=True)
    assert taken(path) >= LARGE
    room = Room(str(tmp_path / "%p.fournil"), 0)
    assert room.look_after() == OFTEN_S
    assert taken(path) < LARGE // 2
    assert path.read_bytes() == data
    assert room.look_after() == SELDOM_S


def test_the_recording_of_a_process_that_writes_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "12.fournil"
    data = Builder(pid=os.getpid()).end(1.0, closed=False).build()
    path.write_bytes(data + bytes(LARGE - len(data)))
    room = Room(str(tmp_path / "%p.fournil"), 0)
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0):
        room.look_after()
        assert taken(path) >= LARGE
    room.look_after()
    assert taken(path) < LARGE


def test_the_recording_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "12.fournil"
    recording(path, closed=True)
    Room(str(tmp_path / "%p.fournil"), 5).look_after()
    assert taken(path) >= LARGE


@pytest.mark.parametrize("content", [b"", b"mine", bytes(LARGE)])
def test_what_is_no_recording_is_left_alone(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "12.fournil"
    path.write_bytes(content)
    before = taken(path)
    Room(str(tmp_path / "%p.fournil"), 0).look_after()
    assert (path.read_bytes(), taken(path)) == (content, before)


def test_where_nothing_was_written() -> None:
    size = 4 * BLOCK
    with mmap.mmap(-1, size) as data:
        assert [*_empty(data)] == [(0, size)]
        data[PAGE] = data[size - 1] = 1
        assert [*_empty(data)] == [(0, PAGE), (2 * PAGE, size - PAGE)]
        data[:] = b"x" * size
        assert [*_empty(data)] == []
