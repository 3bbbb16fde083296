"""The recorder and the watch keep out of the program's descriptors, whatever it does with them."""

from __future__ import annotations

import errno
import os
import textwrap
from pathlib import Path

import pytest

from fournil.evidence.classify import Blocker
from fournil.observe.recording.live import snapshot
from fournil.observe.recording.reading import read_file
from fournil.observe.report.notes import notes
from tests.mounts import WITHOUT_PROC, mounts
from tests.recorder.programs import check, without

plain = pytest.mark.skipif(
    "asan" in os.environ.get("LD_PRELOAD", ""),
    reason="a sanitizer needs more of a stack, and /proc",
)

RECORDED = """
fournil.run  # imports it, which later has no descriptors, or no files

def compute():
    end = time.thread_time() + 0.06
    while time.thread_time() < end:
        pass

def wait():
    time.sleep(0.06)

async def block():
    for _ in range(3):
        wait()
        await asyncio.sleep(0)
        compute()
        await asyncio.sleep(0)

def numbers():
    # The last of the low ones is the folder's that is listed. Where a sandbox gives the watch no
    # table of its own, its numbers are the highest.
    return sorted(int(name) for name in os.listdir("/proc/self/fd") if int(name) < 900)[:-1]

with fournil.Recorder(path, threshold=0.02, size=2 << 20):
"""

PROGRAMS = {
    "files in numbers that were closed": """
        os.closerange(3, 4096)
        files = [open(f"{number}.mine", "w+b", buffering=0) for number in range(200)]
        fournil.run(block())
        assert [os.fstat(file.fileno()).st_size for file in files] == [0] * len(files)
        for file in files:
            file.write(b"mine")
            file.close()
        """,
    "pipes in numbers that were closed": """
        os.closerange(3, 4096)
        pipes = [os.pipe2(os.O_NONBLOCK) for _ in range(100)]
        for reading, writing in pipes:
            os.write(writing, b"mine")
        fournil.run(block())
        for reading, writing in pipes:
            assert os.read(reading, 100) == b"mine"
            os.close(writing)
            assert os.read(reading, 100) == b""
        """,
    "a file put over all numbers": """
        mine = os.open("all.mine", os.O_RDWR | os.O_CREAT)
        for number in range(mine + 1, 1024):
            while True:
                try: os.dup2(mine, number)
                except OSError as error:
                    assert error.errno == errno.EBUSY  # another thread is opening that number
                else: break
        os.closerange(mine + 50, 1024)
        fournil.run(block())
        assert os.fstat(mine).st_size == 0
        assert numbers() == list(range(mine + 50))
        """,
    "closed between steps": """
        before = set(map(int, os.listdir("/proc/self/fd")))
        async def main():
            loops = set(map(int, os.listdir("/proc/self/fd"))) - before
            for _ in range(3):
                await block()
                for number in set(range(3, 4096)) - loops:
                    try: os.close(number)
                    except OSError: pass
        fournil.run(main())
        """,
    "data that is written at the end": """
        os.closerange(3, 4096)
        late = [open(f"{number}.late", "w") for number in range(100)]
        fournil.run(block())
        for file in late:
            file.write("mine")
        """,
    "the end of a pipe": """
        reading, writing = os.pipe()
        fournil.run(block())
        os.close(writing)
        assert os.read(reading, 1) == b""
        """,
}

REFUSED = {
    "": (),
    "no process_vm_readv": ("process_vm_readv",),
    "no close_range": ("close_range",),
    "no table of descriptors": ("close_range", "unshare"),
    "none of them": ("process_vm_readv", "close_range", "unshare"),
}
"""What sandboxes refuse, and the watch does without."""


def recorded(lines: str) -> str:
    return RECORDED + textwrap.indent(textwrap.dedent(lines), "    ")


@pytest.mark.parametrize(
    ("program", "sandbox"),
    [
        *((program, sandbox) for program in PROGRAMS for sandbox in ("", "none of them")),
        *(("files in numbers that were closed", sandbox) for sandbox in list(REFUSED)[1:-1]),
    ],
)
def test_descriptors_are_the_programs(program: str, sandbox: str, tmp_path: Path) -> None:
    path = tmp_path / "recording"
    before = without(*REFUSED[sandbox]) if sandbox else ()
    check(recorded(PROGRAMS[program]), path, before=before)
    assert all(late.read_text() == "mine" for late in tmp_path.glob("*.late"))
    # The watch saw all the same: one of three steps each time, where the machine is busy.
    blocked = snapshot(read_file(str(path))).blocked
    seen = {(step.culprit.function, step.blocker) for step in blocked}
    assert ("wait", Blocker.WAITING) in seen
    assert seen & {("compute", Blocker.PYTHON), ("compute", Blocker.NATIVE_GIL)}


def test_the_lowest_free_number_is_the_programs(tmp_path: Path) -> None:
    # As `os.close(0); os.open(...)` counts on it.
    lines = """
        async def main():
            for _ in range(5):
                end = time.monotonic() + 0.1
                while time.monotonic() < end:
                    first, second = os.dup(0), os.dup(0)
                    os.close(first)
                    assert os.dup(0) == first
                    os.close(first)
                    os.close(second)
                await asyncio.sleep(0)
        fournil.run(main())
        """
    check(recorded(lines), tmp_path / "recording")
    assert snapshot(read_file(str(tmp_path / "recording"))).looks > 0


def test_no_number_of_the_programs_is_taken(tmp_path: Path) -> None:
    lines = """
        print(numbers())
        async def main():
            before = numbers()
            await block()
            assert numbers() == before
        fournil.run(main())
        print(numbers())
        """
    assert check(recorded(lines), tmp_path / "recording") == "[0, 1, 2]\n" * 2


ALTERNATE_STACK = """
import ctypes

class Stack(ctypes.Structure):
    _fields_ = [("sp", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]

room = ctypes.create_string_buffer(2048)  # MINSIGSTKSZ, as the C library's headers have it
libc = ctypes.CDLL(None, use_errno=True)

def set_stack():
    stack = Stack(ctypes.addressof(room), 0, len(room))
    assert libc.sigaltstack(ctypes.byref(stack), None) == 0
"""


@plain
@pytest.mark.parametrize("handler", ["", "import faulthandler; faulthandler.enable()"])
def test_a_small_alternate_stack_for_signals(handler: str, tmp_path: Path) -> None:
    path = tmp_path / "recording"
    lines = """
        async def main():
            set_stack()
            await block()
        fournil.run(main())
        """
    check(handler + ALTERNATE_STACK + recorded(lines), path)
    seen = {step.culprit.function: step.blocker for step in snapshot(read_file(str(path))).blocked}
    assert seen["compute"] in {Blocker.PYTHON, Blocker.NATIVE_GIL}


def test_a_root_without_proc(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can change the root")
    path = tmp_path / "recording"
    lines = """
        os.mkdir("root")
        os.chroot("root")
        fournil.run(block())
        """
    check(recorded(lines), path)
    assert snapshot(read_file(str(path))).looks > 0


@plain
@mounts
def test_no_proc_at_all(tmp_path: Path) -> None:
    path = tmp_path / "recording"
    lines = "fournil.run(block())"
    check(recorded(lines), path, before=WITHOUT_PROC)
    recording = snapshot(read_file(str(path)))
    assert {step.blocker for step in recording.blocked} == {None}
    assert recording.unseen.watch_error == errno.ENOENT
    assert (
        "The watch could not look: it has to read about threads in /proc, and cannot"
        " (No such file or directory)."
    ) in list(notes(recording))


def test_no_threads_for_the_watch(tmp_path: Path) -> None:
    path = tmp_path / "recording"
    check(recorded("fournil.run(block())"), path, before=without("clone", "clone3"))
    recording = snapshot(read_file(str(path)))
    assert len(recording.blocked) == 6
    assert any("it got no thread of its own (" in note for note in notes(recording))


NONE_LEFT = """
    async def main():
        taken = []
        try:
            while True:
                taken.append(os.dup(0))
        except OSError:
            await block()

    import resource
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    fournil.run(main())
    """


def test_no_number_is_left(tmp_path: Path) -> None:
    path = tmp_path / "recording"
    check(recorded(NONE_LEFT), path)
    assert snapshot(read_file(str(path))).looks > 0


def test_no_number_is_left_for_a_watch_without_a_table_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "recording"
    check(recorded(NONE_LEFT), path, before=without("close_range", "unshare"))
    assert any("(Too many open files)" in note for note in notes(snapshot(read_file(str(path)))))
