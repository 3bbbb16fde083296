"""A run that is interrupted before its program begins says so, and ends by the signal."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from pathlib import Path

import pytest

from tests.launch.running import FOURNIL, TIMEOUT
from tests.launch.test_signals import PAUSE, SAYS, Running

REPORTING = FOURNIL[:-1]  # without --no-report

# The interpreter of the command and that of the program import this as they start.
WAIT_AT_IMPORT = """
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == {name!r}:
            os.write(1, b"there\\n")
            pause()
sys.meta_path.insert(0, Finder)
"""
WAIT_IN_RECORDER = """
fallocate = os.posix_fallocate
def wait(*arguments):
    fallocate(*arguments)
    os.write(1, b"there\\n")
    pause()
os.posix_fallocate = wait
"""
INTERRUPTED_AT_FORK = """
import os, signal
fork, numbers = os.fork, iter(range(1, 100))
def interrupted():
    if next(numbers) == {number}:
        os.killpg(0, signal.SIGTERM)
    return fork()
os.fork = interrupted
"""
REFUSED_AT_FORK = """
import os
fork, numbers = os.fork, iter(range(1, 100))
def refused():
    if next(numbers) == {number}:
        raise BlockingIOError(11, os.strerror(11))
    return fork()
os.fork = refused
"""
STARTS = {
    "imports": WAIT_AT_IMPORT.format(name="fournil.launch.entry"),
    "recorder": WAIT_IN_RECORDER,
}
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def begin(command: list[str], customized: str, folder: Path) -> subprocess.Popen[str]:
    (folder / "sitecustomize.py").write_text(PAUSE + customized)
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )


def interrupt_there(process: subprocess.Popen[str], number: int) -> None:
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], TIMEOUT)[0]
    assert process.stdout.readline() == "there\n"
    os.killpg(process.pid, number)


def recordings_of(pid: int) -> list[str]:
    return [name for name in os.listdir("/dev/shm") if name.startswith(f"fournil-run-{pid}-")]


@pytest.mark.parametrize("where", STARTS)
@pytest.mark.parametrize("number", SIGNALS)
def test_program_that_starts(where: str, number: signal.Signals, tmp_path: Path) -> None:
    with begin([*REPORTING, "-c", "print('ran')"], STARTS[where], tmp_path) as process:
        interrupt_there(process, number)
        stdout, stderr = process.communicate(timeout=TIMEOUT)
    assert stdout == ""
    assert stderr == f"fournil: interrupted by {number.name} before the program began\n"
    assert process.returncode == -number
    assert recordings_of(process.pid) == []


@pytest.mark.parametrize("where", STARTS)
def test_what_was_there_outlives_it(where: str, tmp_path: Path) -> None:
    record, report = tmp_path / "run.fournil", tmp_path / "report.json"
    record.write_bytes(b"")
    report.write_text("{}")
    command = [*REPORTING, "--record", str(record), "--json", str(report), "-c", "print('ran')"]
    with begin(command, STARTS[where], tmp_path) as process:
        interrupt_there(process, signal.SIGTERM)
        process.communicate(timeout=TIMEOUT)
    assert record.read_bytes() == b""
    assert report.read_text() == "{}"
    left = {name for name in os.listdir(tmp_path) if not name.startswith("__")}
    assert left == {"run.fournil", "report.json", "sitecustomize.py"}


def test_killed_in_its_start(tmp_path: Path) -> None:
    customized = "import os, sys\nif 'start.py' in str(sys.orig_argv): os.kill(os.getpid(), 9)"
    with begin([*REPORTING, "-c", "print('ran')"], customized, tmp_path) as process:
        stdout, stderr = process.communicate(timeout=TIMEOUT)
    assert (stdout, process.returncode) == ("", -signal.SIGKILL)
    assert stderr == "fournil: killed by SIGKILL before the program began\n"


def test_interpreter_that_does_not_start(tmp_path: Path) -> None:
    customized = "import os, sys\nif 'start.py' in str(sys.orig_argv): os._exit(7)"
    with begin([*REPORTING, "-c", "print('ran')"], customized, tmp_path) as process:
        stdout, stderr = process.communicate(timeout=TIMEOUT)
    assert (stdout, process.returncode) == ("", 7)
    assert stderr == "fournil: the interpreter ended with status 7 before the program began\n"


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("words", [["run", "-c", "1"], ["report", "run.fournil"]])
def test_command_that_starts(number: signal.Signals, words: list[str], tmp_path: Path) -> None:
    customized = WAIT_AT_IMPORT.format(name=f"fournil.cli.{words[0]}")
    with begin([*FOURNIL[:3], *words], customized, tmp_path) as process:
        interrupt_there(process, number)
        assert process.communicate(timeout=TIMEOUT) == ("", "")
    assert process.returncode == -number


@pytest.mark.parametrize("fork", [1, 2])
def test_signal_for_the_group_between_the_starts_of_its_processes(
    fork: int, tmp_path: Path
) -> None:
    customized = INTERRUPTED_AT_FORK.format(number=fork)
    with begin([*REPORTING, "-c", "print('ran')"], customized, tmp_path) as process:
        stdout, stderr = process.communicate(timeout=TIMEOUT)
    assert (stdout, process.returncode) == ("", -signal.SIGTERM)
    assert stderr == "fournil: interrupted by SIGTERM before the program began\n"


@pytest.mark.parametrize("fork", [1, 2])
def test_no_room_for_a_process(fork: int, tmp_path: Path) -> None:
    customized = REFUSED_AT_FORK.format(number=fork)
    # Once the second fork is refused, the first child has begun.
    with begin([*REPORTING, "-c", "input(); print('ran')"], customized, tmp_path) as process:
        stdout, stderr = process.communicate(timeout=TIMEOUT)
    assert (stdout, process.returncode) == ("", 126)
    assert stderr == "fournil: cannot run the program: Resource temporarily unavailable\n"
    assert recordings_of(process.pid) == []


def test_no_room_for_another_lookout(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(REFUSED_AT_FORK.format(number=3))
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path}
    with Running([*FOURNIL, "-c", SAYS, "SIGINT", "SIGUSR1"], env=environment) as running:
        for number in (signal.SIGINT, signal.SIGUSR1) * 2:
            running.to_group(number)
            assert running.line() == number.name
        running.to_program(signal.SIGKILL)
        assert running.end() == ("", "", -signal.SIGKILL)


def test_ctrl_c_is_python_s_once_the_program_begins(tmp_path: Path) -> None:
    # A package on the way to the module that is run may be the first to handle it.
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text(
        "import os, signal\ntry: os.kill(os.getpid(), 2)\nexcept KeyboardInterrupt: print('seen')"
    )
    (tmp_path / "package" / "module.py").write_text("print('ran')")
    with begin([*FOURNIL, "-m", "package.module"], "", tmp_path) as process:
        assert process.communicate(timeout=TIMEOUT) == ("seen\nran\n", "")
    assert process.returncode == 0
