"""Programs that record themselves, each in a process of its own."""

from __future__ import annotations

import ctypes
import errno
import platform
import signal
import struct
import subprocess
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path

import pytest

PRELUDE = """
import asyncio, errno, functools, gc, os, signal, subprocess, sys, threading, time
import fournil
path = sys.argv[1]
"""

IN_A_STEP = """
inside, go_on = threading.Event(), threading.Event()

async def hold():
    inside.set()
    go_on.wait()
    await asyncio.gather(*(asyncio.sleep(0) for _ in range(10_000)))

recorder = fournil.Recorder(path)
recorder.start()
thread = threading.Thread(target=fournil.run, args=(hold(),))
thread.start()
inside.wait()
{meanwhile}
go_on.set()
thread.join()
recorder.stop()
"""
"""A program in which something is done while a recorded loop is in the midst of a step."""

TIMEOUT = 120

Done = subprocess.CompletedProcess[str]


def run(program: str, path: Path, *words: str, before: Iterable[str] = ()) -> Done:
    """Run a program, which finds a path for its recording as `path`.

    Args:
        program: its source, behind PRELUDE.
        path: of the recording; the program's folder is the recording's.
        words: its further arguments.
        before: words of a command that runs the program.
    """
    script = path.with_suffix(".py")
    script.write_text(PRELUDE + textwrap.dedent(program))
    return subprocess.run(
        [*before, sys.executable, str(script), str(path), *words],
        cwd=path.parent,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )


def check(program: str, path: Path, *words: str, status: int = 0, **options: Iterable[str]) -> str:
    """Run a program, check how it ends, and return what it printed."""
    done = run(program, path, *words, **options)
    shown = signal.Signals(-done.returncode).name if done.returncode < 0 else done.returncode
    assert done.returncode == status, f"ended with {shown}: {done.stdout}{done.stderr}"
    return done.stdout


SYSTEM_CALLS = {
    "clone": 56,
    "clone3": 435,
    "close_range": 436,
    "process_vm_readv": 310,
    "unshare": 272,
}

# Of <linux/seccomp.h>, <linux/filter.h> and <linux/prctl.h>.
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERROR = 0x7FFF0000, 0x00050000
NO_NEW_PRIVILEGES, SET_SECCOMP, FILTER = 38, 22, 2


class FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def refuse(*calls: str) -> None:
    """Have the kernel refuse system calls to this process and its children, as sandboxes do."""
    if platform.machine() != "x86_64":
        pytest.skip("knows the numbers of system calls of x86_64 alone")
    lines = [(LOAD, 0, 0, 0)]
    for call in calls:
        lines += [(EQUAL, 0, 1, SYSTEM_CALLS[call]), (RETURN, 0, 0, ERROR | errno.EPERM)]
    lines.append((RETURN, 0, 0, ALLOW))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in lines))
    libc = ctypes.CDLL(None, use_errno=True)
    program = FilterProgram(len(lines), ctypes.addressof(code))
    if libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) or libc.prctl(
        SET_SECCOMP, FILTER, ctypes.byref(program), 0, 0
    ):
        raise OSError(ctypes.get_errno(), "the kernel takes no filter")


def without(*calls: str) -> list[str]:
    """Return a command that runs another one, to which the kernel refuses system calls."""
    code = (
        f"import os, sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r}); "
        f"from tests.recorder.programs import refuse; refuse(*{calls!r}); "
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    return [sys.executable, "-c", code]
