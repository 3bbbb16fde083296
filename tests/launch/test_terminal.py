"""A program under `fournil run` is a job of the shell like any other: Ctrl-C, Ctrl-Z, fg, bg."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator

import pytest

from tests.launch.running import FOURNIL, TIMEOUT
from tests.launch.test_signals import REPORTING, SAYS

# A shell's job control: one job, whose stops and end it writes to descriptor 3. It takes
# "fg" or "bg" from descriptor 4 to begin with, and each time that the job stops.
SHELL = """
import contextlib, fcntl, os, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
commands = os.fdopen(4)
gate, opened = os.pipe()
job = os.fork()
if job == 0:
    os.setpgid(0, 0)
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.close(opened)
    os.read(gate, 1)
    os.execv(sys.argv[1], sys.argv[1:])
os.setpgid(job, job)
os.write(3, f"{job}\\n".encode())
signal.signal(signal.SIGHUP, lambda *_: os.killpg(job, signal.SIGHUP))
def follow():
    if commands.readline() == "fg\\n":
        os.tcsetpgrp(0, job)
follow()
os.close(opened)
while True:
    status = os.waitpid(job, os.WUNTRACED)[1]
    with contextlib.suppress(OSError):  # the terminal may be gone
        os.tcsetpgrp(0, os.getpgrp())
    if not os.WIFSTOPPED(status):
        os.write(3, f"ended {os.waitstatus_to_exitcode(status)}\\n".encode())
        break
    os.write(3, f"stopped {signal.Signals(os.WSTOPSIG(status)).name}\\n".encode())
    follow()
    os.killpg(job, signal.SIGCONT)
"""


class Terminal:
    """A terminal, a shell in it, and its job."""

    def __init__(self) -> None:
        self.screen, self._terminal = os.openpty()
        self._events, events = os.pipe()
        commands, self._commands = os.pipe()
        self._open = [self.screen, self._terminal, self._events, self._commands]
        self._theirs = {3: events, 4: commands}
        self.shell: subprocess.Popen[bytes] | None = None
        self.job = 0
        self.text = ""

    def start(self, command: list[str], place: str = "fg") -> None:
        events, commands = self._theirs[3], self._theirs[4]

        def pass_on() -> None:
            # By way of high numbers, since each may be where the other has to go.
            high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 100) for fd in (events, commands)]
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)
            os.closerange(5, 110)

        self.shell = subprocess.Popen(
            [sys.executable, "-c", SHELL, *command],
            stdin=self._terminal,
            stdout=self._terminal,
            stderr=self._terminal,
            start_new_session=True,
            close_fds=False,
            preexec_fn=pass_on,  # noqa: PLW1509 - no other thread runs
        )
        for descriptor in self._theirs.values():
            os.close(descriptor)
        self.job = int(self.event())
        self.tell(place)

    def tell(self, place: str) -> None:
        os.write(self._commands, f"{place}\n".encode())

    def type(self, keys: bytes) -> None:
        os.write(self.screen, keys)

    def event(self) -> str:
        assert select.select([self._events], [], [], TIMEOUT)[0], self.text
        return os.read(self._events, 100).decode().strip()

    def wait_for(self, text: str) -> str:
        """Return what is shown up to a text and with it."""
        while text not in self.text:
            assert select.select([self.screen], [], [], TIMEOUT)[0], self.text
            self.text += os.read(self.screen, 10_000).decode()
        before, _, self.text = self.text.partition(text)
        return before + text

    def hang_up(self) -> None:
        self._open.remove(self.screen)
        os.close(self.screen)

    def close(self) -> None:
        if self.job:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.job, signal.SIGKILL)
        if self.shell is not None:
            self.shell.kill()
            self.shell.wait(TIMEOUT)
        for descriptor in self._open:
            os.close(descriptor)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    terminal = Terminal()
    yield terminal
    terminal.close()


def job(*words: str, report: bool = False) -> list[str]:
    return [*(REPORTING if report else FOURNIL), *words]


def started(terminal: Terminal) -> int:
    return int(terminal.wait_for("\r\n").strip())


def test_keys_come_once(terminal: Terminal) -> None:
    terminal.start(job("-c", SAYS, "SIGINT", "SIGQUIT", "SIGTSTP", "SIGWINCH", "SIGUSR1"))
    program = started(terminal)
    for key, name in [(b"\3", "SIGINT"), (b"\34", "SIGQUIT"), (b"\32", "SIGTSTP")] * 2:
        terminal.type(key)
        terminal.wait_for(f"{name}\r\n")
    fcntl.ioctl(terminal.screen, termios.TIOCSWINSZ, struct.pack("4H", 40, 100, 0, 0))
    terminal.wait_for("SIGWINCH\r\n")
    os.kill(program, signal.SIGUSR1)
    assert terminal.wait_for("SIGUSR1\r\n") == "SIGUSR1\r\n"
    os.kill(program, signal.SIGKILL)
    assert terminal.event() == "ended -9"


def test_keys_reach_a_group_of_the_programs_own(terminal: Terminal) -> None:
    terminal.start(job("-c", f"import os; os.setpgrp(){SAYS}", "SIGINT", "SIGTSTP", "SIGCONT"))
    program = started(terminal)
    for key, name in [(b"\3", "SIGINT"), (b"\32", "SIGTSTP")] * 2:
        terminal.type(key)
        terminal.wait_for(f"{name}\r\n")
    os.kill(program, signal.SIGKILL)
    assert terminal.event() == "ended -9"


def test_keys_do_not_reach_a_session_of_the_programs_own(terminal: Terminal) -> None:
    terminal.start(job("-c", f"import os; os.setsid(){SAYS}", "SIGINT", "SIGUSR1"))
    program = started(terminal)
    terminal.type(b"\3")
    terminal.wait_for("^C")
    os.kill(program, signal.SIGUSR1)
    assert terminal.wait_for("SIGUSR1\r\n") == "SIGUSR1\r\n"
    os.kill(program, signal.SIGKILL)
    assert terminal.event() == "ended -9"


def test_interrupt_prints_the_report(terminal: Terminal) -> None:
    terminal.start(job("-c", SAYS, report=True))
    started(terminal)
    terminal.type(b"\3")
    assert terminal.event() == "ended -2"
    shown = terminal.wait_for("fournil")
    assert shown.count("KeyboardInterrupt") == 1
    assert shown.count("Traceback") == 1


def test_suspend_and_continue(terminal: Terminal) -> None:
    terminal.start(job("-c", SAYS, "SIGCONT", "SIGUSR1"))
    program = started(terminal)
    for _ in range(2):
        terminal.type(b"\32")
        assert terminal.event() == "stopped SIGTSTP"
        terminal.tell("fg")
        terminal.wait_for("SIGCONT\r\n")
    os.kill(program, signal.SIGUSR1)
    assert terminal.wait_for("SIGUSR1\r\n") == "SIGUSR1\r\n"
    terminal.type(b"\3")
    assert terminal.event() == "ended -2"


def test_suspends_itself(terminal: Terminal) -> None:
    text = """
import os, signal
def suspend(*_):
    os.write(1, b"bye\\n")
    os.kill(os.getpid(), signal.SIGSTOP)
    os.write(1, b"back\\n")
signal.signal(signal.SIGTSTP, suspend)
os.write(1, b"ready\\n")
while True: signal.pause()
"""
    terminal.start(job("-c", text))
    terminal.wait_for("ready\r\n")
    for _ in range(2):
        terminal.type(b"\32")
        terminal.wait_for("bye\r\n")
        assert terminal.event() == "stopped SIGSTOP"
        terminal.tell("fg")
        terminal.wait_for("back\r\n")


def test_reads_the_terminal(terminal: Terminal) -> None:
    terminal.start(job("-c", "print(input('name: ')[::-1])"))
    terminal.wait_for("name: ")
    terminal.type(b"bread\n")
    terminal.wait_for("daerb\r\n")
    assert terminal.event() == "ended 0"


def test_reads_in_the_background(terminal: Terminal) -> None:
    terminal.start(job("-c", "print(input()[::-1])"), "bg")
    assert terminal.event() == "stopped SIGTTIN"
    terminal.tell("fg")
    terminal.type(b"bread\n")
    terminal.wait_for("daerb\r\n")
    assert terminal.event() == "ended 0"


def test_hangup(terminal: Terminal) -> None:
    terminal.start(job("-c", SAYS, report=True))
    started(terminal)
    # The terminal goes; the report has nowhere to go, and the program's end is told all the same.
    terminal.hang_up()
    assert terminal.event() == "ended -1"
