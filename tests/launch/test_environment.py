"""Variables of the environment that name the process of the program, by its number or pidfd."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.launch.running import FOURNIL, PYTHON, run, write

# As a service manager or a shell script starts a program: with its number, which it knows
# since it is that process until then.
STARTED = 'export {}; exec "$@"'
TELL = """
import os, sys
for name in sys.argv[1:]:
    print(name, os.environ[name], os.environ[name] == str(os.getpid()))
"""


@pytest.mark.parametrize(
    "name", ["LISTEN_PID", "WATCHDOG_PID", "SYSTEMD_EXEC_PID", "MAINPID", "SERVER_PID", "pid"]
)
def test_names_the_program(name: str, tmp_path: Path) -> None:
    for command in (PYTHON, FOURNIL):
        done = run(["sh", "-c", STARTED.format(f"{name}=$$"), "sh", *command, "-c", TELL, name],
                   cwd=tmp_path)  # fmt: skip
        assert done.stdout.endswith(" True\n"), command
        assert done.stderr == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LISTEN_PID", "1"),  # another process
        ("LISTEN_PID", "$$0"),
        ("LISTEN_PID", "x$$"),
        ("LISTEN_PID", ""),
        ("PORT", "$$"),  # a number that happens to be the same
        ("PIDFILE", "$$"),
    ],
)
def test_what_does_not_name_it_stays(name: str, value: str, tmp_path: Path) -> None:
    script = STARTED.format(f"{name}={value} GIVEN={value}")
    tell = f"import os; print(os.environ[{name!r}] == os.environ['GIVEN'])"
    done = run(["sh", "-c", script, "sh", *FOURNIL, "-c", tell], cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("True\n", "")


COMMANDS = ([*PYTHON, "-m", "fournil"], [str(Path(sys.executable).with_name("fournil"))])


@pytest.mark.parametrize("command", COMMANDS)
def test_modules_named_as_those_of_the_standard_library(command: list[str], tmp_path: Path) -> None:
    names = ("argparse", "asyncio", "json", "queue", "random", "selectors", "tempfile", "typing")
    write(tmp_path, {f"path/{name}.py": "raise RuntimeError('mine')" for name in names})
    write(tmp_path, {"app.py": "print('ran')"})
    variables = {"PYTHONPATH": str(tmp_path / "path")}
    done = run([*command, "run", "app.py"], cwd=tmp_path, environment=variables)
    assert (done.stdout, done.status) == ("ran\n", 0)
    assert "No event loop ran" in done.stderr


def test_sockets_are_passed_on(tmp_path: Path) -> None:
    (tmp_path / "socket").write_text("bread")
    script = STARTED.format("LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=oven") + " 3<socket"
    tell = (
        "import os; e = os.environ\n"
        "print(e['LISTEN_PID'] == str(os.getpid()), e['LISTEN_FDS'], e['LISTEN_FDNAMES'])\n"
        "print(os.read(3, 5))"
    )
    done = run(["sh", "-c", script, "sh", *FOURNIL, "-c", tell], cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("True 1 oven\nb'bread'\n", "")


def test_pidfd(tmp_path: Path) -> None:
    start = (
        "import os, sys\n"
        "os.environ['LISTEN_PIDFDID'] = str(os.fstat(os.pidfd_open(os.getpid())).st_ino)\n"
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    tell = (
        "import os\n"
        "own = os.fstat(os.pidfd_open(os.getpid())).st_ino\n"
        "print(os.environ['LISTEN_PIDFDID'] == str(own))"
    )
    done = run([*PYTHON, "-c", start, *FOURNIL, "-c", tell], cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_a_child_of_the_program_has_the_program_s(tmp_path: Path) -> None:
    tell = (
        "import os, subprocess, sys\n"
        "code = 'import os; print(int(os.environ[\"LISTEN_PID\"]) == os.getppid())'\n"
        "subprocess.run([sys.executable, '-c', code])"
    )
    done = run(["sh", "-c", STARTED.format("LISTEN_PID=$$"), "sh", *FOURNIL, "-c", tell],
               cwd=tmp_path)  # fmt: skip
    assert (done.stdout, done.stderr) == ("True\n", "")
    assert "LISTEN_PID" not in os.environ
