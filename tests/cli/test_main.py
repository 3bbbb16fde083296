"""The `fournil` command: its commands, its help, and what it leaves unloaded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import fournil
from tests.launch.running import run

FOURNIL = (sys.executable, "-m", "fournil")


def test_version(tmp_path: Path) -> None:
    done = run([*FOURNIL, "--version"], cwd=tmp_path)
    assert done.stdout == f"fournil {fournil.__version__}\n"


def test_help(tmp_path: Path) -> None:
    done = run([*FOURNIL, "--help"], cwd=tmp_path)
    assert done.stdout.startswith("Usage: fournil [OPTIONS] COMMAND")
    assert "run " in done.stdout
    assert "report " in done.stdout


@pytest.mark.parametrize("command", ["run", "report"])
def test_help_of_a_command(command: str, tmp_path: Path) -> None:
    done = run([*FOURNIL, command, "--help"], cwd=tmp_path)
    assert done.stdout.startswith(f"Usage: fournil {command} ")
    assert done.status == 0


def test_unknown_command(tmp_path: Path) -> None:
    done = run([*FOURNIL, "bake"], cwd=tmp_path)
    assert done.status == 2
    assert "No such command 'bake'" in done.stderr


def test_installed_command(tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("fournil")
    assert run([str(command), "run", "--no-report", "-c", "print(1)"], cwd=tmp_path).stdout == "1\n"


def loaded_by(*words: str) -> set[str]:
    """Return what the command has loaded when it ends."""
    code = (
        "import atexit, json, os, sys\n"
        "from fournil.cli.main import main\n"
        "def tell(*_): print('\\n' + json.dumps(sorted(sys.modules)), flush=True)\n"
        "atexit.register(tell)\n"
        "os._exit, leave = lambda status: (tell(), leave(status)), os._exit\n"
        f"main({list(words)!r})\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_commands_are_loaded_when_called() -> None:
    loaded = loaded_by("--help")
    assert not {name for name in loaded if name.startswith("fournil.") and "cli" not in name}
    assert "fournil.cli.run" not in loaded
    assert "asyncio" not in loaded


def test_run_loads_nothing_of_the_program_s() -> None:
    assert not loaded_by("run") & {"asyncio", "rich", "fournil.loop", "fournil.recorder"}


def test_run_loads_no_click() -> None:
    loaded = loaded_by("run", "--no-report", "-c", "pass")
    assert "fournil.cli.run" in loaded
    assert not loaded & {"click", "asyncio", "rich", "inspect", "traceback"}


def test_the_program_has_nothing_of_the_command(tmp_path: Path) -> None:
    code = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = run([*FOURNIL, "run", "--no-report", "-c", code], cwd=tmp_path)
    assert not {"click", "rich"} & set(done.stdout.split())
    code = "import sys; print(*[name for name in sys.modules if 'fournil' in name])"
    done = run([*FOURNIL, "run", "--no-report", "-c", code], cwd=tmp_path)
    assert not {"fournil.cli", "fournil.observe"} & set(done.stdout.split())
