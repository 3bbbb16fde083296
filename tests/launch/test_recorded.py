"""However a program ends, it is recorded, and its report is printed once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.launch.running import FOURNIL, Result, run

REPORTING = FOURNIL[:-1]  # without --no-report

BLOCKED = """
import asyncio, time
async def main():
    time.sleep(0.12)
asyncio.run(main())
"""

ENDS = {
    "by itself": ("", 0),
    "os._exit": ("import os; os._exit(3)", 3),
    "SystemExit": ("raise SystemExit(4)", 4),
    "exception": ("1 / 0", 1),
    "SIGKILL": ("import os; os.kill(os.getpid(), 9)", -9),
    "SIGSEGV": ("import ctypes; ctypes.string_at(0)", -11),
    "abort": ("import os; os.abort()", -6),
    "exec": ("import os; os.execvp('sh', ['sh', '-c', 'exit 5'])", 5),
    "KeyboardInterrupt": ("raise KeyboardInterrupt", -2),
    "fork": ("import os\npid = os.fork()\nif pid: os.waitpid(pid, 0)", 0),
    "fork that fails": ("import os\npid = os.fork()\nif pid: os.waitpid(pid, 0)\nelse: 1 / 0", 0),
    "fork that blocks": (
        "import os\npid = os.fork()\nif pid: os.waitpid(pid, 0)\nelse: asyncio.run(main())",
        0,
    ),
    "fork in the loop": (
        "async def fork():\n    import os\n    pid = os.fork()\n    if pid: os.waitpid(pid, 0)\n"
        "asyncio.run(fork())",
        0,
    ),
    "processes": (
        "import multiprocessing as mp\n"
        "with mp.get_context('fork').Pool(2) as pool: pool.map(abs, [1, 2])",
        0,
    ),
    "thread left": (
        "import threading\ngate = threading.Event()\n"
        "threading.Thread(target=gate.wait).start(); gate.set()",
        0,
    ),
}


def findings(path: Path) -> list[tuple[str, int, int]]:
    blocked: list[dict[str, Any]] = json.loads(path.read_text())["blocked"]
    return [(entry["class"], entry["line"], entry["count"]) for entry in blocked]


@pytest.mark.parametrize("end", ENDS)
def test_ends(end: str, tmp_path: Path) -> None:
    text, status = ENDS[end]
    (tmp_path / "app.py").write_text(BLOCKED + text)
    done = run([*REPORTING, "--json", "report.json", "app.py"], cwd=tmp_path)
    assert done.status == status
    assert done.stderr.count("fournil  app.py") == 1
    assert ("waiting", 4, 1) in findings(tmp_path / "report.json")


def test_blocked_in_atexit(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import asyncio, atexit, time\n"
        "async def main(): time.sleep(0.12)\n"
        "atexit.register(lambda: asyncio.run(main()))\n"
    )
    run([*FOURNIL, "--json", "report.json", "app.py"], cwd=tmp_path)
    assert findings(tmp_path / "report.json") == [("waiting", 2, 1)]


def test_blocked_in_a_thread_that_outlives_the_script(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import asyncio, threading, time\n"
        "async def main(): time.sleep(0.12)\n"
        "def work():\n"
        "    threading.main_thread().join()\n"
        "    asyncio.run(main())\n"
        "threading.Thread(target=work).start()\n"
    )
    run([*FOURNIL, "--json", "report.json", "app.py"], cwd=tmp_path)
    assert findings(tmp_path / "report.json") == [("waiting", 2, 1)]


def test_never_awaited_is_counted_and_warned_of(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import asyncio\n"
        "async def bake(): pass\n"
        "async def main():\n"
        "    for _ in range(3):\n"
        "        bake()\n"
        "    await asyncio.sleep(0)\n"
        "asyncio.run(main())\n"
    )
    done = run([*REPORTING, "app.py"], cwd=tmp_path)
    assert "app.py:5: RuntimeWarning: coroutine 'bake' was never awaited\n" in done.stderr
    report = done.stderr.partition("fournil  ")[2]
    assert "bake" in report
    assert "never awaited" in report.lower()


def test_no_room(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("print('ran')")
    command = ["sh", "-c", 'ulimit -f 1; exec "$@"', "sh", *FOURNIL, "--record", "x", "app.py"]
    done = run(command, cwd=tmp_path)
    assert done == Result("", f"fournil: cannot record into {tmp_path}/x: File too large\n", 2)
    assert not (tmp_path / "x").exists()
