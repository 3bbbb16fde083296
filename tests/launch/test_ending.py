"""What is written into a recording about the end of its program's process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fournil.launch.ending import Ending
from fournil.record.kinds import END_EXITED, END_KILLED, END_REPLACED
from fournil.record.layout import HEADER, HEADER_SIZE
from tests.launch.running import TIMEOUT
from tests.observe.builder import Builder

MAPS = """
import mmap, os, signal, sys
with open(sys.argv[1], "r+b") as file:
    mapping = mmap.mmap(file.fileno(), 0)
handled = int(sys.argv[2])
if handled:
    signal.signal(handled, lambda *_: None)
"""
ENDS = f"{MAPS}os._exit(3)"
WAITS = f"{MAPS}print(flush=True); sys.stdin.read()"
IS_REPLACED = f"{MAPS}os.execvp('cat', ['cat'])"


class Program:
    """A process that maps a recording, and what is seen of its end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_RDWR)
        self._ending = Ending(str(path), self._descriptor, sys.executable)

    def end(self, code: str, handled: int = signal.SIGURG) -> tuple[int, int]:
        """Run Python code in the process until it has ended, and return what is written then."""
        command = [sys.executable, "-c", code, str(self._path), str(handled)]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            self._ending.ended(process.pid)
        return self.written()

    def written(self) -> tuple[int, int]:
        header = HEADER.unpack(os.pread(self._descriptor, HEADER_SIZE, 0))
        return header["end"], header["end_code"]

    def close(self) -> None:
        self._ending.close()
        os.close(self._descriptor)


@pytest.fixture(autouse=True)
def blocked_signal() -> Iterator[None]:
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [Ending.SIGNAL])
    yield
    while signal.sigtimedwait([Ending.SIGNAL], 0):
        pass
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    path = tmp_path / "recording"
    path.write_bytes(Builder(watch_signal=signal.SIGURG).end(1.0, closed=False).build())
    program = Program(path)
    yield program
    program.close()


def test_status(program: Program) -> None:
    assert program.end(ENDS) == (END_EXITED, 3)


def test_signal(program: Program) -> None:
    assert program.end(f"{MAPS}os.kill(os.getpid(), 9)") == (END_KILLED, 9)


def test_without_proc(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def hidden(process: int) -> tuple[bytes, int]:
        raise FileNotFoundError

    monkeypatch.setattr("fournil.launch.ending._name_and_signals", hidden)
    # By whom, the program or another that took its place, is not known.
    assert program.end(ENDS) == (0, 0)
    assert program.end(f"{MAPS}os.kill(os.getpid(), 9)") == (END_KILLED, 9)


# The signal of what was dropped is not taken here, as if it were known when all is over.


def test_another_program_that_has_ended_before_it_was_seen(program: Program) -> None:
    assert program.end(f"{MAPS}os.execvp('false', ['false'])") == (END_EXITED | END_REPLACED, 1)


def test_a_program_that_took_the_watch_s_signal(program: Program) -> None:
    assert program.end(ENDS, handled=0) == (END_EXITED, 3)


def test_a_renamed_program_that_took_the_signal_too(tmp_path: Path) -> None:
    path = tmp_path / "recording"
    path.write_bytes(Builder(watch_signal=0).end(1.0, closed=False).build())
    program = Program(path)
    assert program.end(f"{MAPS}os.execvp('false', ['false'])", handled=0) == (0, 0)
    program.close()


def test_a_program_that_took_another_name(program: Program) -> None:
    rename = "import ctypes; ctypes.CDLL(None).prctl(15, b'baker', 0, 0, 0);"
    assert program.end(rename + ENDS) == (END_EXITED, 3)


def take_drop(program: Program, process: int) -> None:
    assert signal.sigtimedwait([Ending.SIGNAL], TIMEOUT)
    program._ending.dropped(process)


def test_another_program_that_still_runs(program: Program, tmp_path: Path) -> None:
    command = [sys.executable, "-c", IS_REPLACED, str(tmp_path / "recording"), "0"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        take_drop(program, process.pid)
        assert program.written() == (END_REPLACED, 0)
        assert process.stdin is not None
        process.stdin.close()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        program._ending.ended(process.pid)
    assert program.written() == (END_REPLACED | END_EXITED, 0)


def test_a_thread_that_has_not_blocked_the_signal(program: Program, tmp_path: Path) -> None:
    def wait() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [Ending.SIGNAL])
        unblocked.set()
        over.wait()

    unblocked, over = threading.Event(), threading.Event()
    thread = threading.Thread(target=wait)
    thread.start()
    unblocked.wait()
    (tmp_path / "recording").open("r+b").close()
    # Had it gone to the other thread, there would be nothing to take, nor this process.
    taken = signal.sigtimedwait([Ending.SIGNAL], TIMEOUT)
    over.set()
    thread.join()
    assert taken is not None


def test_another_process_that_lets_go_of_the_recording(program: Program, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WAITS, str(tmp_path / "recording"), "0"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (tmp_path / "recording").open("r+b").close()
        take_drop(program, process.pid)
        assert program.written() == (0, 0)
        process.kill()


def test_a_program_that_goes_on_without_its_recording(program: Program, tmp_path: Path) -> None:
    drops = f"import fournil._native.ring{MAPS}mapping.close(); sys.stdin.read()"
    command = [sys.executable, "-c", drops, str(tmp_path / "recording"), "0"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        take_drop(program, process.pid)
        assert program.written() == (0, 0)
        process.kill()


def test_a_closed_recording_may_be_dropped(tmp_path: Path) -> None:
    path = tmp_path / "recording"
    path.write_bytes(Builder(watch_signal=signal.SIGURG).build())
    program = Program(path)
    command = [sys.executable, "-c", f"{MAPS}mapping.close(); sys.stdin.read()", str(path), "0"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        take_drop(program, process.pid)
        process.kill()
    assert program.written() == (0, 0)
    program.close()


@pytest.mark.parametrize("content", [b"", b"mine", b"x" * 10_000])
def test_what_is_no_recording_is_left_alone(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "recording"
    path.write_bytes(content)
    descriptor = os.open(path, os.O_RDWR)
    ending = Ending(str(path), descriptor, sys.executable)
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        ending.ended(process.pid)
    ending.close()
    os.close(descriptor)
    assert path.read_bytes() == content


def test_without_inotify(program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Refuses:
        def inotify_init1(self, flags: int) -> int:
            return -1

    monkeypatch.setattr("fournil.launch.ending._libc", Refuses())
    without = Program(tmp_path / "recording")
    assert without.end(ENDS) == (END_EXITED, 3)
    assert without.end(IS_REPLACED) == (END_EXITED | END_REPLACED, 0)
    without.close()
