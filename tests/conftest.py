"""Every test: what it opened or started and did not end fails it, by name.

File descriptors, threads (native ones too) and child processes are counted before and
after. A test that failed for a reason of its own is not blamed for its leaks as well.
"""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import settings

# How long one example takes is the machine's affair.
settings.register_profile("fournil", deadline=None)
settings.load_profile("fournil")

# A shell without job control has its background jobs ignore Ctrl-C, and `nohup` a hang-up; the
# programs that tests start would do so too.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

SETTLE_S = 1.0
"""How long a thread or a child that was told to end may take until the kernel shows it gone."""

FAILED = pytest.StashKey[bool]()


class Held(NamedTuple):
    """What this process holds at one moment."""

    fds: frozenset[int]
    threads: frozenset[int]
    children: frozenset[int]

    def beyond(self, before: Held) -> Held:
        return Held(*(now - then for now, then in zip(self, before, strict=True)))

    def __bool__(self) -> bool:
        return any(self)


def look() -> Held:
    return Held(
        frozenset(fd for fd in map(int, os.listdir("/proc/self/fd")) if is_open(fd)),
        frozenset(map(int, os.listdir("/proc/self/task"))),
        children(),
    )


def is_open(fd: int) -> bool:
    # /proc/self/fd also lists the descriptor by which it is read, which is closed by now.
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def children() -> frozenset[int]:
    # Reading the parent of every process takes milliseconds; `waitid`, which changes nothing
    # with WNOWAIT, says at once that there is no child at all.
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return frozenset()
    return frozenset(
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and parent(entry) == os.getpid()
    )


def parent(entry: Path) -> int | None:
    try:
        # The command's name, in brackets, may hold spaces and brackets of its own.
        return int((entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
    except OSError:
        return None


def settle(before: Held) -> Held:
    """Return what is held beyond `before`, once it stopped shrinking or time is up."""
    leaked = look().beyond(before)
    if not leaked:
        return leaked
    # What only a reference cycle keeps is reported by its own ResourceWarning, an error here.
    gc.collect()
    deadline = time.monotonic() + SETTLE_S
    # No event tells that the kernel has removed a thread: `join` returns a little earlier.
    while (leaked := look().beyond(before)) and time.monotonic() < deadline:
        time.sleep(0.001)
    return leaked


def describe(leaked: Held) -> str:
    names = {thread.native_id: thread.name for thread in threading.enumerate()}
    lines = [f"file descriptor {fd}: {read_link(fd)}" for fd in sorted(leaked.fds)]
    lines += [
        f"thread {tid}: {names.get(tid) or 'not made by Python'}"
        f" ({read_text(f'/proc/self/task/{tid}/comm')})"
        for tid in sorted(leaked.threads)
    ]
    lines += [
        f"child process {pid}: {read_text(f'/proc/{pid}/cmdline') or 'ended, never waited for'}"
        for pid in sorted(leaked.children)
    ]
    return "left behind by this test:\n  " + "\n  ".join(lines)


def read_link(fd: int) -> str:
    try:
        return str(Path(f"/proc/self/fd/{fd}").readlink())
    except OSError as error:
        return str(error)


def read_text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace").replace("\0", " ").strip()
    except OSError as error:
        return str(error)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--count-handles",
        action="store_true",
        help="contract tests: fail where handles are left once a loop is closed (takes longer)",
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Generator[None]:
    before = look()
    yield
    if not request.node.stash.get(FAILED, False) and (leaked := settle(before)):
        pytest.fail(describe(leaked), pytrace=False)
