"""What another process asks a recorded program for, through its recording."""

from __future__ import annotations

import asyncio
import os
import re
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import fournil
from fournil import recording
from fournil.errors import RecordingError
from fournil.record import control
from fournil.record.layout import HEADER, VERSION

ASK = """
import sys
from fournil.recording import set_threshold
set_threshold(sys.argv[1], float(sys.argv[2]))
"""
HOLD = """
import fcntl, sys
file = open(sys.argv[1], "r+b")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def words(path: Path, **values: int) -> None:
    """Write control words as a program that knows no rules would."""
    with path.open("r+b") as file:
        for name, value in values.items():
            format_ = "<" + next(field.format for field in HEADER.fields if field.name == name)
            os.pwrite(file.fileno(), struct.pack(format_, value), HEADER.offset(name))


def read(path: Path, name: str) -> int:
    return int(HEADER.unpack(path.read_bytes()[: HEADER.size])[name])


def answered(path: Path, request: int) -> None:
    until = time.monotonic() + 60
    while read(path, "control_answered") != request:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_the_threshold_is_changed_while_a_program_runs(tmp_path: Path) -> None:
    path = tmp_path / "threshold"

    async def main() -> None:
        time.sleep(0.05)
        await asyncio.sleep(0)
        await asyncio.to_thread(recording.set_threshold, str(path), 0.01)
        time.sleep(0.05)
        await asyncio.sleep(0)
        await asyncio.to_thread(recording.set_threshold, str(path), 30)
        time.sleep(0.05)

    with fournil.Recorder(path, threshold=20):
        fournil.run(main())
    found = recording.load(str(path))
    assert found.threshold_s == pytest.approx(30, rel=1e-2)
    assert len([step for step in found.blocked if step.culprit.function.endswith("main")]) == 1
    assert found.blocked[0].blocker == "waiting"


@pytest.mark.parametrize("seconds", [0, 0.0009, 3601, float("nan"), float("inf"), -1])
def test_what_is_no_threshold_is_not_asked_for(seconds: float, tmp_path: Path) -> None:
    path = tmp_path / "bounds"
    with fournil.Recorder(path):
        with pytest.raises(ValueError, match=re.escape(f"from 0.001 to 3600, got {seconds!r}")):
            recording.set_threshold(str(path), seconds)
        assert read(path, "control_request") == 0


@pytest.mark.parametrize(
    ("command", "value"), [(0, 10**9), (2, 10**9), (1 << 31, 0), (1, 0), (1, (1 << 64) - 1)]
)
def test_nonsense_is_refused(command: int, value: int, tmp_path: Path) -> None:
    path = tmp_path / "nonsense"
    with fournil.Recorder(path, threshold=0.5):
        before = read(path, "threshold_ticks")
        words(path, control_command=command, control_value=value, control_request=(1 << 64) - 1)
        answered(path, (1 << 64) - 1)
        assert read(path, "control_refused") == 1
        assert read(path, "threshold_ticks") == before
        # The next number is 0: requests go on.
        recording.set_threshold(str(path), 2)
        assert read(path, "threshold_ticks") == pytest.approx(4 * before, rel=1e-2)
        assert read(path, "control_refused") == 0


def test_nobody_answers_without_the_watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "ANSWER_S", 0.01)
    path = tmp_path / "deaf"
    with (
        fournil.Recorder(path, watch=False),
        pytest.raises(RecordingError, match=rf"process {os.getpid()} has not answered"),
    ):
        recording.set_threshold(str(path), 1)


def test_two_that_ask_do_so_one_after_the_other(tmp_path: Path) -> None:
    path = tmp_path / "two"
    with fournil.Recorder(path, threshold=1):
        asking = [
            subprocess.Popen([sys.executable, "-c", ASK, str(path), str(seconds)])
            for seconds in (2, 3, 4)
        ]
        assert [one.wait() for one in asking] == [0, 0, 0]
        assert read(path, "control_request") == read(path, "control_answered") == 3


def test_one_that_asks_for_ever_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "ANSWER_S", 0.05)
    path = tmp_path / "held"
    with (
        fournil.Recorder(path),
        subprocess.Popen(
            [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as holder,
    ):
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(RecordingError, match="another process has been asking"):
            recording.set_threshold(str(path), 1)
        holder.stdin.close()


def ended(path: Path) -> None:
    with fournil.Recorder(path):
        pass


def another_version(path: Path) -> None:
    ended(path)
    words(path, version=2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (ended, "the recording has ended"),
        (another_version, f"no recording of version {VERSION}"),
        (Path.touch, f"no recording of version {VERSION}"),
        (Path.mkdir, "directory"),
        (lambda path: None, "No such file"),
    ],
)
def test_who_cannot_be_asked(make: Callable[[Path], object], message: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    make(path)
    with pytest.raises(RecordingError, match=message) as raised:
        recording.set_threshold(str(path), 1)
    assert str(raised.value).startswith(str(path))


def test_threads_of_one_process_ask_one_after_the_other(tmp_path: Path) -> None:
    path = str(tmp_path / "recording")
    failed: list[BaseException] = []

    def ask() -> None:
        try:
            control.set_threshold(path, 0.2)
        except BaseException as error:
            failed.append(error)

    with fournil.Recorder(path, size="2M"):
        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failed == []
