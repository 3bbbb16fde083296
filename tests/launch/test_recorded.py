"""However a program ends, it is recorded, and its report is printed once."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.launch.running import FOURNIL, Result, run, write
from tests.mounts import WITHOUT_PROC, mounts

REPORTING = FOURNIL[:-1]  # without --no-report

BLOCKED = """
import asyncio, time
async def main():
    time.sleep(0.12)
asyncio.run(main())
"""

ENDS = {
    "by itself": ("", 0),
    "SystemExit": ("raise SystemExit(4)", 4),
    "exception": ("1 / 0", 1),
    "KeyboardInterrupt": ("raise KeyboardInterrupt", -2),
    "SystemExit in a thread": (
        "import sys, threading\nthreading.Thread(target=sys.exit, args=(4,)).start()",
        0,
    ),
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


IN_A_THREAD = "import os, threading, time\nthreading.Thread(target={}).start()\ntime.sleep(60)"

HOW = {
    "os._exit": ("import os; os._exit(3)", 3, "ended by os._exit(3),"),
    "os._exit in the loop": (
        "import os\nasync def leave(): os._exit(0)\nasyncio.run(leave())",
        0,
        "ended by os._exit(0),",
    ),
    "os._exit in a thread": (
        IN_A_THREAD.format("os._exit, args=(3,)"), 3, "ended by os._exit(3),"
    ),
    "os._exit in atexit": (
        "import atexit, os; atexit.register(os._exit, 3)", 3, "ended by os._exit(3),"
    ),
    "os._exit with the signals reset": (
        "import os, signal\n"
        "for number in signal.valid_signals() - {9, 19}: signal.signal(number, signal.SIG_DFL)\n"
        "os._exit(3)",
        3,
        "ended by os._exit(3),",
    ),
    "os._exit after an exec that failed": (
        "import os\ntry: os.execv('/nothing/there', ['x'])\nexcept OSError: os._exit(3)",
        3,
        "ended by os._exit(3),",
    ),
    "os._exit after programs that were started": (
        "import os, subprocess\n"
        "subprocess.run(['true']); subprocess.run(['true'], preexec_fn=int)\n"
        "os.waitpid(os.posix_spawnp('true', ['true'], os.environ), 0)\n"
        "pid = os.fork()\n"
        "if not pid: os.execvp('true', ['true'])\n"
        "os.waitpid(pid, 0); os._exit(3)",
        3,
        "ended by os._exit(3),",
    ),
    "exit in C": ("import ctypes; ctypes.CDLL(None).exit(3)", 3, "or by exit() in C code;"),
    "parent of a daemon": (
        "import os\nif os.fork(): os._exit(0)\nos.setsid()\nif os.fork(): os._exit(0)",
        0,
        "ended by os._exit(0),",
    ),
    "SIGKILL": ("import os; os.kill(os.getpid(), 9)", -9, "killed by SIGKILL;"),
    "SIGTERM": ("import signal; signal.raise_signal(15)", -15, "killed by SIGTERM;"),
    "SIGSEGV": ("import ctypes; ctypes.string_at(0)", -11, "killed by SIGSEGV;"),
    "abort": ("import os; os.abort()", -6, "killed by SIGABRT;"),
    "exec": (
        "import os; os.execvp('sh', ['sh', '-c', 'exit 5'])", 5, "(exec), which was not recorded"
    ),
    "exec of python": (
        "import os, sys; os.execv(sys.executable, [sys.executable, '-c', 'raise SystemExit(5)'])",
        5,
        "(exec), which was not recorded and ended with status 5.",
    ),
    "exec in a thread": (
        IN_A_THREAD.format("os.execlp, args=('sh', 'sh', '-c', 'kill -9 $$')"),
        -9,
        "(exec), which was not recorded and was killed by SIGKILL.",
    ),
    "exec in C": (
        "import ctypes; ctypes.CDLL(None).execlp(b'sh', b'sh', b'-c', b'exit 5', None)",
        5,
        "(exec), which was not recorded and ended with status 5.",
    ),
    "exec in a group of its own": (
        "import os; os.setpgrp(); os.execvp('sh', ['sh', '-c', 'exit 5'])",
        5,
        "(exec), which was not recorded and ended with status 5.",
    ),
}  # fmt: skip


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
    found = findings(tmp_path / "report.json")
    assert ("waiting", 4) in [(kind, line) for kind, line, _ in found]
    if end == "fork that blocks":
        assert sum(count for _, _, count in found) >= 2


@pytest.mark.parametrize("end", HOW)
def test_the_report_says_how_it_ended(end: str, tmp_path: Path) -> None:
    text, status, told = HOW[end]
    (tmp_path / "app.py").write_text(BLOCKED + text)
    done = run([*REPORTING, "--record", "kept", "app.py"], cwd=tmp_path)
    assert done.status == status
    assert told in " ".join(done.stderr.split())
    # What is known then is known to who reads the recording later.
    later = run([*FOURNIL[:3], "report", "kept"], cwd=tmp_path)
    assert told in " ".join(later.stdout.split())


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


def test_a_librarys_coroutine_that_was_never_awaited_counts_where_the_program_let_it_go(
    tmp_path: Path,
) -> None:
    (tmp_path / "app.py").write_text(
        "import asyncio\n"
        "async def main():\n"
        "    for _ in range(3):\n"
        "        asyncio.sleep(1)\n"
        "    asyncio.sleep(1)\n"
        "asyncio.run(main())\n"
    )
    run([*FOURNIL, "--json", "report.json", "app.py"], cwd=tmp_path)
    told = json.loads((tmp_path / "report.json").read_text())["never_awaited"]
    app = str(tmp_path / "app.py")
    assert told == [
        {"function": "sleep", "file": app, "line": 4, "count": 3},
        {"function": "sleep", "file": app, "line": 5, "count": 1},
    ]


def test_no_room(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("print('ran')")
    command = ["sh", "-c", 'ulimit -f 1; exec "$@"', "sh", *FOURNIL, "--record", "x", "app.py"]
    done = run(command, cwd=tmp_path)
    why = "File too large, for a recording of 33,554,432 bytes"
    assert done == Result("", f"fournil: cannot record into {tmp_path}/x: {why}\n", 2)
    assert not (tmp_path / "x").exists()


def test_names_that_are_no_utf_8(tmp_path: Path) -> None:
    script = os.fsdecode(b"caf\xe9.py")
    (tmp_path / script).write_text(
        "import asyncio, os, time\n"
        "async def slow(): time.sleep(0.12)\n"
        "async def main(): await asyncio.create_task(slow(), name=os.fsdecode(b'r\\xe9ad'))\n"
        "asyncio.run(main())\n"
    )
    done = run([*REPORTING, "--json", "report.json", script], cwd=tmp_path)
    assert done.status == 0
    assert "fournil  caf\\udce9.py  ran" in done.stderr
    assert "r\\udce9ad (slow)" in done.stderr
    assert "async def slow(): time.sleep(0.12)" in done.stderr
    (blocked,) = json.loads((tmp_path / "report.json").read_text())["blocked"]
    assert blocked["task"] == "r\udce9ad (slow)"
    assert blocked["file"].endswith(script)


@mounts
def test_without_proc(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(BLOCKED)
    done = run([*WITHOUT_PROC, *REPORTING, "app.py"], cwd=tmp_path)
    assert done.status == 0
    assert "The watch could not look: it has to read about threads in /proc" in done.stderr


def test_the_programs_descriptors_are_those_of_python(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import os\nprint(sorted(int(name) for name in os.listdir('/proc/self/fd')))\n"
    )
    done = run([*FOURNIL, "--record", "kept", "app.py"], cwd=tmp_path)
    assert done.stdout == "[0, 1, 2, 3]\n"  # the last is the folder's that is listed


def test_a_recording_that_is_cut_short(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import asyncio, os, sys\n"
        "async def main():\n"
        "    os.truncate('kept', int(sys.argv[1]))\n"
        "    await asyncio.sleep(0.01)\n"
        "asyncio.run(main())\n"
        "print('lives')\n"
    )
    for size, why in (("0", "is empty"), ("100", "is cut short"), ("100000", "is cut short")):
        done = run([*REPORTING, "--record", "kept", "app.py", size], cwd=tmp_path)
        assert (done.stdout, done.status) == ("lives\n", 0)
        assert done.stderr.startswith("fournil: no report: ")
        assert why in done.stderr
        assert done.stderr.count("\n") == 1
        (tmp_path / "kept").unlink()


def test_a_recorder_of_the_programs_own(tmp_path: Path) -> None:
    text = """
import asyncio, fournil
async def main():
    with fournil.Recorder("own.fournil"):
        await asyncio.sleep(0)
    print("ran")
fournil.run(main())
"""
    write(tmp_path, {"app.py": text})
    done = run([*REPORTING, "app.py"], cwd=tmp_path)
    assert (done.status, done.stdout) == (0, "ran\n")
    assert done.stderr.count("this recorder records nothing") == 1


def test_json_is_written_over_reports_alone(tmp_path: Path) -> None:
    text = "import asyncio\nasyncio.run(asyncio.sleep(0))\n"
    write(tmp_path, {"app.py": text, "empty": ""})
    done = run([*REPORTING, "--json", "app.py", "app.py"], cwd=tmp_path)
    assert done.status == 2
    assert "it is no report, and is not overwritten" in done.stderr
    assert (tmp_path / "app.py").read_text() == text
    for _ in range(2):
        assert run([*REPORTING, "--json", "empty", "app.py"], cwd=tmp_path).status == 0
        assert (tmp_path / "empty").read_text().startswith("{")
