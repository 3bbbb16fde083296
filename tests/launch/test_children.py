"""Children of a program under `fournil run`: recorded, and what they would be under `python`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fournil.launch import children
from tests.launch.running import FOURNIL, Result, both, run, write
from tests.observe.builder import Builder

BLOCK = """
import asyncio, time
def block():
    async def main():
        time.sleep(0.12)
    asyncio.run(main())
"""

CHILD = f"{BLOCK}block()\n"

STARTS = {
    "fork": "import os\nif os.fork() == 0:\n    block()\n    os._exit(0)\nos.wait()",
    "fork that ends by itself": "import os\nif os.fork() == 0: block()\nelse: os.wait()",
    "forkpty": "import os\npid, fd = os.forkpty()\nif pid == 0:\n    block()\n    os._exit(0)\n"
    "os.waitpid(pid, 0)",
    "fork in the loop": "import os\nasync def fork():\n    if os.fork() == 0:\n"
    "        await asyncio.sleep(0)\n        time.sleep(0.12)\n        os._exit(0)\n"
    "    os.wait()\nasyncio.run(fork())",
    **{
        f"multiprocessing, {way}": "import multiprocessing as mp\nif __name__ == '__main__':\n"
        f"    child = mp.get_context('{way}').Process(target=block)\n"
        "    child.start(); child.join()"
        for way in ("fork", "spawn", "forkserver")
    },
    "a pool of processes": "import concurrent.futures, multiprocessing\n"
    "if __name__ == '__main__':\n"
    "    with concurrent.futures.ProcessPoolExecutor(\n"
    "        1, multiprocessing.get_context('spawn')) as pool: pool.submit(block).result()",
    "subprocess": "import subprocess, sys\nsubprocess.run([sys.executable, 'child.py'])",
    "subprocess by name": "import subprocess, sys, os\n"
    "os.environ['PATH'] = os.path.dirname(sys.executable)\nsubprocess.run(['python', 'child.py'])",
    "subprocess, isolated": "import subprocess, sys\n"
    "subprocess.run([sys.executable, '-IS', 'child.py'])",
    "subprocess, code": "import subprocess, sys\n"
    "subprocess.run([sys.executable, '-c', open('child.py').read()])",
    "subprocess, module": "import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'child'])",
    "subprocess, all files open": "import subprocess, sys\n"
    "subprocess.run([sys.executable, 'child.py'], close_fds=False)",
    "subprocess of asyncio": "import sys\nasync def start():\n"
    "    child = await asyncio.create_subprocess_exec(sys.executable, 'child.py')\n"
    "    await child.wait()\nasyncio.run(start())",
    "a script with its interpreter": "import os, subprocess, sys\n"
    "text = open('child.py').read()\nopen('child', 'w').write(f'#!{sys.executable} -u\\n{text}')\n"
    "os.chmod('child', 0o755)\nsubprocess.run(['./child'])",
    "a script of env's": "import os, subprocess, sys\n"
    "text = open('child.py').read()\nopen('child', 'w').write(f'#!/usr/bin/env python\\n{text}')\n"
    "os.environ['PATH'] = os.path.dirname(sys.executable) + ':' + os.environ['PATH']\n"
    "os.chmod('child', 0o755)\nsubprocess.run(['./child'])",
    "an empty environment": "import subprocess, sys\n"
    "subprocess.run(['env', '-i', sys.executable, 'child.py'])",
    "posix_spawn": "import os, sys\n"
    "os.posix_spawn(sys.executable, [sys.executable, 'child.py'], {})\nos.wait()",
    "spawnv": "import os, sys\nos.spawnv(os.P_WAIT, sys.executable, [sys.executable, 'child.py'])",
    "exec": "import os, sys\nos.execv(sys.executable, [sys.executable, 'child.py'])",
    "execlpe": "import os, sys\nos.execlpe(sys.executable, sys.executable, 'child.py', {})",
    "a child of a child": "import subprocess, sys\n"
    "code = 'import subprocess, sys; subprocess.run([sys.executable, \"child.py\"])'\n"
    "subprocess.run([sys.executable, '-c', code])",
}  # fmt: skip


def left_behind(pid: int) -> list[str]:
    return [name for name in os.listdir("/dev/shm") if name.startswith(f"fournil-run-{pid}-")]


def reported(tmp_path: Path, *options: str, words: tuple[str, ...] = ("app.py",)) -> Any:
    command = [*FOURNIL, *options, "--json", "report.json", *words]
    with subprocess.Popen(command, cwd=tmp_path) as process:
        assert process.wait(60) == 0
    assert left_behind(process.pid) == []
    return json.loads((tmp_path / "report.json").read_text())


@pytest.mark.parametrize("start", STARTS)
def test_children_are_recorded(start: str, tmp_path: Path) -> None:
    write(tmp_path, {"app.py": f"{BLOCK}{STARTS[start]}\n", "child.py": CHILD})
    told = reported(tmp_path)
    assert [of["class"] for of in told["blocked"] if of["count"] and of["total_s"] > 0.1]
    loops = {process["pid"]: len(process["loops"]) for process in told["processes"]}
    assert sum(map(bool, loops.values())) >= 1
    assert told["not_seen"] == []


@pytest.mark.parametrize("start", STARTS)
def test_no_follow(start: str, tmp_path: Path) -> None:
    write(tmp_path, {"app.py": f"{BLOCK}{STARTS[start]}\n", "child.py": CHILD})
    told = reported(tmp_path, "--no-follow")
    assert told["processes"] == []
    assert told["not_seen"] == []


def test_those_alike_are_one(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "app.py": f"{BLOCK}import multiprocessing as mp\n"
            "if __name__ == '__main__':\n"
            "    made = [mp.get_context('spawn').Process(target=block) for _ in range(3)]\n"
            "    for one in made: one.start()\n"
            "    for one in made: one.join()\n"
        },
    )
    done = run([*FOURNIL[:-1], "--json", "report.json", "app.py"], cwd=tmp_path)
    told = json.loads((tmp_path / "report.json").read_text())
    # Where the machine is busy, the watch may come too late for one of them.
    blocked = [of for of in told["blocked"] if of["line"] in {4, 5}]
    assert ("waiting", 5) in [(of["class"], of["line"]) for of in blocked]
    assert sum(of["count"] for of in blocked) == 3
    assert sorted(one["pid"] for of in blocked for one in of["processes"]) == sorted(
        of["pid"] for of in told["processes"] if of["loops"]
    )
    assert {of["title"] for of in told["processes"]} == {"app.py"}
    assert all(of["ended"] for of in told["processes"])
    assert "3 child processes" in done.stderr
    assert "app.py  3 alike" in done.stderr


def test_kept_recordings(tmp_path: Path) -> None:
    write(tmp_path, {"app.py": f"{BLOCK}{STARTS['subprocess']}\n", "child.py": CHILD})
    told = reported(tmp_path, "--record", "kept.fournil")
    pids = [process["pid"] for process in told["processes"]]
    assert sorted(path.name for path in tmp_path.glob("kept*")) == sorted(
        ["kept.fournil", f"kept.{pids[1]}.fournil"]
    )
    # Any of them is of the whole program.
    for name in ("kept.fournil", f"kept.{pids[1]}.fournil"):
        later = run([*FOURNIL[:3], "report", name], cwd=tmp_path)
        assert "1 child process" in later.stdout
    # Another program's do not count.
    reported(tmp_path, "--record", "other.fournil")
    assert "1 child process" in run([*FOURNIL[:3], "report", "kept.fournil"], cwd=tmp_path).stdout


def test_recordings_of_an_earlier_run_go_with_the_one_that_is_replaced(tmp_path: Path) -> None:
    write(tmp_path, {"app.py": f"{BLOCK}{STARTS['subprocess']}\n", "child.py": CHILD})
    reported(tmp_path, "--record", "kept.fournil")
    (tmp_path / "kept.mine.fournil").write_text("mine")
    shutil.copy(tmp_path / "kept.fournil", tmp_path / "kept.other.fournil")
    reported(tmp_path, "--record", "other.fournil")
    (other,) = set(tmp_path.glob("other.*.fournil"))
    other.rename(tmp_path / "kept.1.fournil")
    told = reported(tmp_path, "--record", "kept.fournil")
    number = told["processes"][1]["pid"]
    # What is another program's, or no recording, stays.
    assert sorted(path.name for path in tmp_path.glob("kept.*")) == sorted(
        ["kept.fournil", f"kept.{number}.fournil", "kept.mine.fournil", "kept.1.fournil"]
    )


def test_a_run_that_comes_to_nothing_removes_nothing(tmp_path: Path) -> None:
    write(tmp_path, {"app.py": f"{BLOCK}{STARTS['subprocess']}\n", "child.py": CHILD})
    reported(tmp_path, "--record", "kept.fournil")
    before = sorted(path.name for path in tmp_path.glob("kept*"))
    run([*FOURNIL, "--record", "kept.fournil", "nothing.py"], cwd=tmp_path)
    assert sorted(path.name for path in tmp_path.glob("kept*")) == before


def test_others_take_no_room_of_the_program(tmp_path: Path) -> None:
    (tmp_path / "kept.1.fournil").write_bytes(Builder(program=1).build())
    with (tmp_path / "kept.1.fournil").open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, 8 << 20)
    pattern = str(tmp_path / "kept.%p.fournil")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(children, "MOST", 9 << 20)
        children._size_of(pattern, 8 << 20, program=2)
        with pytest.raises(OSError, match="all the room"):
            children._size_of(pattern, 8 << 20, program=1)


@pytest.mark.parametrize(
    "command",
    [["sh", "-c", "python3 -c pass"], ["./python3", "app.py"], ["env", "./python3", "app.py"]],
)
def test_what_is_not_seen_is_named(command: list[str], tmp_path: Path) -> None:
    write(
        tmp_path,
        {"app.py": f"import subprocess\nsubprocess.run({command})\n", "python3": "#!/bin/sh\n"},
    )
    (tmp_path / "python3").chmod(0o755)
    done = run([*FOURNIL[:-1], "--json", "report.json", "app.py"], cwd=tmp_path)
    assert json.loads((tmp_path / "report.json").read_text())["not_seen"] == [command]
    assert "1 process of the program not seen" in " ".join(done.stderr.split())


def test_what_is_no_python_is_not_named(tmp_path: Path) -> None:
    write(tmp_path, {"app.py": "import os, subprocess\nsubprocess.run(['true'])\nos.system(':')\n"})
    told = reported(tmp_path)
    assert told["not_seen"] == []


def test_without_room_the_children_run_all_the_same(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "app.py": f"{BLOCK}import os, subprocess, sys\nfrom fournil.launch import children\n"
            "children.MOST = 0\n"
            "if os.fork() == 0:\n    block()\n    os._exit(7)\n"
            "print(os.waitstatus_to_exitcode(os.wait()[1]))\n"
        },
    )
    done = run([*FOURNIL, "--json", "report.json", "app.py"], cwd=tmp_path)
    assert done == Result("7\n", "", 0)
    told = json.loads((tmp_path / "report.json").read_text())
    assert len(told["not_seen"]) == 1


SEES = (
    "import os, sys; print(sys.argv, sys.orig_argv, sys.path, sys.flags, sorted(os.environ),"
    " sys.executable, sys.prefix, __name__, globals().get('__file__'), sys._xoptions)"
)

AS_PYTHON = {
    "script": ["[sys.executable, '-X', 'dev', 'child.py', 'a', '-c']"],
    "isolated": ["[sys.executable, '-I', '-S', 'child.py']"],
    "module": ["[sys.executable, '-Wignore', '-m', 'child', 'a']"],
    "code": ["[sys.executable, '-uc', open('child.py').read(), 'a']"],
    "code, attached": ["[sys.executable, '-uc' + open('child.py').read(), 'a']"],
    "module, attached": ["[sys.executable, '-mchild', 'a']"],
    "standard input": ["[sys.executable, '-', 'a'], input=open('child.py').read()"],
    "empty environment": ["[sys.executable, 'child.py'], env={}"],
    "another folder": ["[sys.executable, '../child.py'], cwd='in'"],
    "bytes": ["[os.fsencode(sys.executable), b'child.py', b'caf\\xe9']"],
    "fails": ["[sys.executable, '-c', '1 / 0']"],
    "no program": ["[sys.executable, 'nothing.py']", "[sys.executable, '-m', 'nothing']"],
    "bad program": ["[sys.executable, '-c', '(']"],
    "no such file": ["['nothing-there']"],
    "killed": ["[sys.executable, '-c', 'import os; os.kill(os.getpid(), 9)']"],
    "interrupted": ["[sys.executable, '-c', 'import os; os.kill(os.getpid(), 2)']"],
    "interactive": ["[sys.executable], input='print(1)'"],
    "version": ["[sys.executable, '-V']"],
}


@pytest.mark.parametrize("name", AS_PYTHON)
def test_a_child_sees_what_it_would_see(name: str, tmp_path: Path) -> None:
    calls = "".join(
        f"try:\n    print(subprocess.run({call}, **options))\nexcept OSError as e:\n    print(e)\n"
        for call in AS_PYTHON[name]
    )
    write(
        tmp_path,
        {
            "app.py": "import os, subprocess, sys\n"
            f"options = dict(capture_output=True, text=True)\n{calls}",
            "child.py": SEES,
            "in/x": "",
        },
    )
    plain, ours = both(["app.py"], cwd=tmp_path)
    assert ours == plain


def test_another_environment_of_the_same_python(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", tmp_path / "other"], check=True, timeout=60
    )
    write(
        tmp_path,
        {
            "app.py": "import subprocess\n"
            "print(subprocess.run(['other/bin/python', 'child.py'], capture_output=True))\n",
            "child.py": f"import sys\nprint(sys.prefix, sys.path)\n{CHILD}",
        },
    )
    plain, ours = both(["app.py"], cwd=tmp_path)
    assert ours == plain
    told = reported(tmp_path)
    assert len(told["processes"]) == 2


def test_workers_of_our_own_pools_stay_theirs(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "app.py": "import asyncio, fournil, time\n"
            "async def main():\n"
            "    async with fournil.ProcessPool(workers=2) as pool:\n"
            "        await asyncio.gather(*(pool.run(time.sleep, 0.01) for _ in range(4)))\n"
            "asyncio.run(main())\n"
        },
    )
    told = reported(tmp_path)
    assert told["processes"] == []
    assert told["not_seen"] == []
    assert [pool["calls"] for pool in told["pools"]] == [4]


def test_many_children_leave_nothing_behind_and_take_bounded_room(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "app.py": "import asyncio, os\n"
            "for _ in range(40):\n"
            "    if os.fork() == 0:\n"
            "        asyncio.run(asyncio.sleep(0))\n"
            "        os._exit(0)\n"
            "    os.wait()\n"
        },
    )
    (tmp_path / "kept").mkdir()
    told = reported(tmp_path, "--record", "kept/")
    assert len(told["processes"]) == 41
    taken = sum(path.stat().st_blocks * 512 for path in (tmp_path / "kept").iterdir())
    assert taken < 8 << 20  # of 40 times 8 MiB, and 32 MiB


MANY = """
import asyncio, os
from fournil.launch import children

# As if all had a thirty-secondth of the room, so that few are many.
children.MOST >>= 5
children.CHILDREN_TO_COME >>= 4
children.MOST_NOTES = 20

waiting, go = os.pipe()
for number in range(24):
    if os.fork() == 0:
        async def main():
            os.close(go)
            os.read(waiting, 1)
        asyncio.run(main())
        os._exit(0)
os.close(go)
for number in range(24):
    os.wait()
"""


@pytest.mark.parametrize("options", [[], ["--record", "kept"]])
def test_many_children_have_small_recordings(options: list[str], tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(MANY)
    done = run([*FOURNIL, "--json", "report.json", *options, "program.py"], cwd=tmp_path)
    assert done == Result("", "", 0)
    told = json.loads((tmp_path / "report.json").read_text())
    recorded = len(told["processes"]) - 1
    # What found no room is named.
    assert recorded + len(told["not_seen"]) == 24
    assert recorded >= 10
    sizes = {path.stat().st_size for path in tmp_path.glob("kept.*")}
    assert len(sizes) > 1 or not options
