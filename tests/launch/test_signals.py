"""Signals reach the program once, whoever they were sent to; and it ends as it would alone."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pytest

from tests.launch.running import FOURNIL, TIMEOUT

REPORTING = FOURNIL[:-1]  # without --no-report

# `signal.pause` would sleep through a signal that comes just before it.
PAUSE = """
import os, signal, sys
reading, writing = os.pipe()
os.set_blocking(writing, False)
signal.set_wakeup_fd(writing)
def pause(): os.read(reading, 1)
"""

# Says each signal that it gets, by a line, and goes on.
SAYS = f"""{PAUSE}
def say(number, _): os.write(1, f"{{signal.Signals(number).name}}\\n".encode())
for name in sys.argv[1:]:
    signal.signal(getattr(signal, name), say)
os.write(1, f"{{os.getpid()}}\\n".encode())
while True:
    pause()
"""

WAITS = f"""{PAUSE}
os.write(1, f"{{os.getpid()}}\\n".encode())
while True:
    pause()
"""


class Running:
    """A program that runs under `fournil run`, in a process group of its own."""

    def __init__(self, command: list[str], **options: Any) -> None:
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0, **options
        )
        self.program = int(self.line())

    def line(self) -> str:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], TIMEOUT)
        assert ready, "the program said nothing"
        text = b""
        while not text.endswith(b"\n"):
            piece = os.read(self.process.stdout.fileno(), 1)
            assert piece, f"the program ended: {self.process.communicate(timeout=TIMEOUT)}"
            text += piece
        return text.decode().rstrip("\n")

    def to_supervisor(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def to_program(self, number: int) -> None:
        os.kill(self.program, number)

    def to_group(self, number: int) -> None:
        os.killpg(self.process.pid, number)

    def barrier(self) -> None:
        """Wait until the supervisor has taken each signal that it was sent."""
        # It takes the highest number last. A signal of the same number as one that still
        # waits would be lost, as anywhere.
        self.to_supervisor(signal.SIGRTMAX)
        assert self.line() == "SIGRTMAX"

    def end(self) -> tuple[str, str, int]:
        stdout, stderr = self.process.communicate(timeout=TIMEOUT)
        return stdout.decode(), stderr.decode(), self.process.returncode

    def lookout(self) -> int:
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        (lookout,) = {int(child) for child in children} - {self.program}
        return lookout

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate(timeout=TIMEOUT)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


@contextmanager
def pidfd(pid: int) -> Iterator[int]:
    descriptor = os.pidfd_open(pid)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def wait_for_end(descriptor: int) -> None:
    assert select.select([descriptor], [], [], TIMEOUT)[0], "the process did not end"


Send = Callable[[Running, int], None]
SENDERS = {
    "supervisor": Running.to_supervisor,
    "program": Running.to_program,
    "group": Running.to_group,
}
HANDLED = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGWINCH", "SIGTSTP", "SIGCONT"]


@pytest.mark.parametrize("to", SENDERS)
def test_each_signal_comes_once(to: str) -> None:
    with Running([*FOURNIL, "-c", SAYS, *HANDLED, "SIGRTMAX"]) as running:
        # Twice: what was seen of the first must not count for the second.
        for name in HANDLED * 2:
            SENDERS[to](running, getattr(signal, name))
            assert running.line() == name
            # Had it come twice, this would not be the next to be heard of.
            running.barrier()
        running.to_program(signal.SIGKILL)
        assert running.end() == ("", "", -signal.SIGKILL)


@pytest.mark.parametrize("first", SENDERS)
@pytest.mark.parametrize("second", SENDERS)
def test_one_after_the_other(first: str, second: str) -> None:
    with Running([*FOURNIL, "-c", SAYS, "SIGINT", "SIGRTMAX"]) as running:
        for to in (first, second, first):
            SENDERS[to](running, signal.SIGINT)
            assert running.line() == "SIGINT"
            running.barrier()
        running.to_program(signal.SIGKILL)
        assert running.end() == ("", "", -signal.SIGKILL)


@pytest.mark.parametrize("to", SENDERS)
@pytest.mark.parametrize(
    "number",
    [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR2, signal.SIGSEGV, signal.SIGALRM],
)
def test_deadly(to: str, number: int) -> None:
    with Running([*REPORTING, "-c", WAITS]) as running:
        SENDERS[to](running, number)
        stdout, stderr, status = running.end()
        assert (stdout, status) == ("", -number)
        assert stderr.count("fournil  ") == 1


@pytest.mark.parametrize("to", SENDERS)
def test_interrupt(to: str) -> None:
    with Running([*REPORTING, "-c", WAITS]) as running:
        SENDERS[to](running, signal.SIGINT)
        stdout, stderr, status = running.end()
        assert (stdout, status) == ("", -signal.SIGINT)
        assert stderr.startswith("Traceback (most recent call last):\n  File")
        assert stderr.count("KeyboardInterrupt") == 1
        assert stderr.count("fournil  ") == 1


def test_interrupt_in_a_loop() -> None:
    text = """
import asyncio, os
async def main():
    try:
        os.write(1, f"{os.getpid()}\\n".encode())
        await asyncio.Event().wait()
    finally:
        print("cancelled", flush=True)
        await asyncio.sleep(0.01)
        print("cleaned up", flush=True)
asyncio.run(main())
"""
    with Running([*REPORTING, "-c", text]) as running:
        running.to_group(signal.SIGINT)
        stdout, stderr, status = running.end()
        assert (stdout, status) == ("cancelled\ncleaned up\n", -signal.SIGINT)
        assert stderr.count("fournil  ") == 1


def test_signals_to_the_parent_stay_there() -> None:
    text = SAYS.replace("while True:", "os.kill(os.getppid(), signal.SIGUSR1)\nwhile True:")
    with Running([*FOURNIL, "-c", text, "SIGUSR1", "SIGUSR2"]) as running:
        running.to_supervisor(signal.SIGUSR2)
        assert running.line() == "SIGUSR2"
        running.to_program(signal.SIGTERM)
        assert running.end() == ("", "", -signal.SIGTERM)


def test_ignored_signals_stay_ignored() -> None:
    text = """
import os, signal
print(os.getpid())
print([n.name for n in (signal.SIGHUP, signal.SIGINT, signal.SIGCHLD)
       if signal.getsignal(n) == signal.SIG_IGN])
blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
print(blocked == {signal.SIGUSR1, signal.SIGRTMIN + 5}, flush=True)
raise SystemExit(5)
"""

    def ignore() -> None:
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGRTMIN + 5])

    with Running([*FOURNIL, "-c", text], preexec_fn=ignore) as running:
        assert running.end() == ("['SIGHUP', 'SIGINT', 'SIGCHLD']\nTrue\n", "", 5)


def test_stop_of_the_program_alone() -> None:
    with Running([*FOURNIL, "-c", SAYS, "SIGUSR1"]) as running:
        running.to_program(signal.SIGSTOP)
        os.waitid(os.P_PID, running.process.pid, os.WSTOPPED | os.WNOHANG)
        running.to_program(signal.SIGCONT)
        # The supervisor has not stopped: it still passes signals on.
        running.to_supervisor(signal.SIGUSR1)
        assert running.line() == "SIGUSR1"


def test_stop_and_continue_of_the_supervisor() -> None:
    with Running([*FOURNIL, "-c", SAYS, "SIGCONT", "SIGUSR1"]) as running:
        for _ in range(2):
            running.to_supervisor(signal.SIGTSTP)
            stopped = os.waitid(os.P_PID, running.process.pid, os.WSTOPPED)
            assert stopped is not None
            assert stopped.si_status == signal.SIGTSTP
            assert state(running.program) == "T"
            running.to_supervisor(signal.SIGCONT)
            assert running.line() == "SIGCONT"
        running.to_program(signal.SIGUSR1)
        assert running.line() == "SIGUSR1"


def test_stop_and_continue_of_the_group() -> None:
    with Running([*FOURNIL, "-c", SAYS, "SIGCONT", "SIGUSR1", "SIGRTMAX"]) as running:
        for number in (signal.SIGTSTP, signal.SIGTTIN, signal.SIGSTOP):
            running.to_group(number)
            stopped = os.waitid(os.P_PID, running.process.pid, os.WSTOPPED)
            assert stopped is not None
            assert stopped.si_status == number
            running.to_group(signal.SIGCONT)
            assert running.line() == "SIGCONT"
            # It has taken the one before it is stopped again: else it takes two for one.
            running.barrier()
        running.to_supervisor(signal.SIGUSR1)
        assert running.line() == "SIGUSR1"


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def recording(running: Running) -> Path:
    maps = Path(f"/proc/{running.program}/maps").read_text().splitlines()
    (path,) = {line.split()[-1] for line in maps if "/fournil-" in line}
    return Path(path)


def test_supervisor_killed() -> None:
    with Running([*FOURNIL, "-c", WAITS]) as running:
        path = recording(running)
        with pidfd(running.program) as program, pidfd(running.lookout()) as lookout:
            running.to_supervisor(signal.SIGKILL)
            wait_for_end(program)
            wait_for_end(lookout)
        assert not path.exists()
        running.end()


def test_all_killed() -> None:
    with Running([*FOURNIL, "-c", WAITS]) as running, Running([*FOURNIL, "-c", WAITS]) as other:
        left = recording(running)
        with pidfd(running.program) as program:
            running.to_group(signal.SIGKILL)
            wait_for_end(program)
        running.end()
        assert left.exists()
        with Running([*FOURNIL, "-c", WAITS]) as another:
            # It removed what nobody uses, and that alone.
            assert not left.exists()
            assert recording(other).exists()
            assert recording(another).exists()


def test_supervisor_killed_leaves_a_recording_that_is_kept(tmp_path: Path) -> None:
    command = [*FOURNIL, "--record", "run.fournil", "-c", WAITS]
    with Running(command, cwd=tmp_path) as running:
        with pidfd(running.program) as program, pidfd(running.lookout()) as lookout:
            running.to_supervisor(signal.SIGKILL)
            wait_for_end(program)
            wait_for_end(lookout)
        running.end()
    assert os.listdir(tmp_path) == ["run.fournil"]


def test_lookout_killed() -> None:
    with Running([*FOURNIL, "-c", SAYS, "SIGUSR1"]) as running:
        os.kill(running.lookout(), signal.SIGKILL)
        running.to_supervisor(signal.SIGUSR1)
        assert running.line() == "SIGUSR1"
        running.to_program(signal.SIGTERM)
        assert running.end() == ("", "", -signal.SIGTERM)


SLOW_REPORT = """
import os, sys, types
module = types.ModuleType("fournil.observe.report.publish")
def publish(path, folder, *, json_to, show):
    os.write(1, b"reporting\\n")
    os.read(0, 1)
module.publish = publish
sys.modules["fournil.observe.report.publish"] = module
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_second_interrupt_ends_the_report(number: int, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(SLOW_REPORT)
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    with Running(
        [*REPORTING, "-c", WAITS],
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.PIPE,
    ) as running:
        running.to_group(signal.SIGINT)
        assert running.line() == "reporting"
        running.to_group(number)
        assert running.process.wait(TIMEOUT) == -signal.SIGINT
        recordings = [
            n for n in os.listdir("/dev/shm") if f"fournil-run-{running.process.pid}-" in n
        ]
        assert recordings == []
        assert running.end()[1].endswith("fournil: the report was interrupted\n")
