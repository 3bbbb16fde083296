"""Which file a recording is written into, and what it takes the place of."""

from __future__ import annotations

import errno
import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

import fournil
from fournil.observe.recording.live import snapshot
from fournil.observe.recording.reading import read_file
from fournil.record import files
from fournil.record.layout import MAGIC
from tests.mounts import APART, mounts
from tests.recorder.programs import IN_A_STEP, PRELUDE, check

SMALL = 2 << 20
ROOT = os.geteuid() == 0


def recorder(path: Path | str, size: int = SMALL) -> fournil.Recorder:
    return fournil.Recorder(path, size=size, watch=False)


def record(path: Path | str) -> None:
    with recorder(path):
        pass


def everything(folder: Path) -> dict[str, tuple[object, ...]]:
    """Return all files in a folder: what each holds, and what is known of it."""
    found: dict[str, tuple[object, ...]] = {}
    for path in folder.iterdir():
        status = path.lstat()
        known = (status.st_mode, status.st_uid, status.st_ino, status.st_mtime_ns)
        content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        found[path.name] = (*known, content)
    return found


def ended(path: Path) -> bool:
    return snapshot(read_file(str(path))).ended


# What is left as it is.


def make_text(path: Path) -> None:
    path.write_text("precious" * 1000)
    path.chmod(0o644)


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    # The name of a socket may be no longer than 107 bytes.
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def make_link_to_text(path: Path) -> None:
    make_text(path.with_suffix(".txt"))
    path.symlink_to(path.with_suffix(".txt"))


def make_link_to_device(path: Path) -> None:
    path.symlink_to("/dev/null")


def make_circle(path: Path) -> None:
    path.symlink_to(path)


def make_anothers_recording(path: Path) -> None:
    if not ROOT:
        pytest.skip("only root can give a file away")
    record(path)
    os.chown(path, 12345, 12345)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (make_text, "it is no recording, and is not overwritten"),
        (lambda path: path.write_bytes(bytes(8)), "it is no recording"),
        (make_pipe, "it is no regular file"),
        (make_socket, "it is no regular file"),
        (make_link_to_text, "it is no recording"),
        (make_link_to_device, "it is no regular file"),
        (make_circle, "it is no regular file"),
        (make_anothers_recording, "it belongs to another user, 12345"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_refused_and_untouched(make: Callable[[Path], object], reason: str, tmp_path: Path) -> None:
    path = tmp_path / "recording"
    make(path)
    before = everything(tmp_path)
    with pytest.raises(OSError, match=reason):
        recorder(path).start()
    assert everything(tmp_path) == before
    record(tmp_path / "another")


@pytest.mark.parametrize("path", ["nothing/there", "nothing/", ""])
def test_no_such_folder(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError):
        recorder(path).start()
    assert list(tmp_path.iterdir()) == []


def make_nothing(path: Path) -> None:
    pass


def make_empty(path: Path) -> None:
    path.touch(0o644)


@pytest.mark.parametrize("make", [make_nothing, make_empty, record])
def test_a_start_that_fails_leaves_all_as_it_was(
    make: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(descriptor: int, offset: int, size: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "recording"
    make(path)
    before = everything(tmp_path)
    monkeypatch.setattr(os, "posix_fallocate", no_room)
    with pytest.raises(OSError, match=r"for a recording of"):
        recorder(path).start()
    assert everything(tmp_path) == before


@mounts
def test_a_full_disk(tmp_path: Path) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(tmp_path)]
    check(
        f"""
        subprocess.run({mount}, check=True)
        folder = {str(tmp_path)!r}
        with fournil.Recorder(folder + "/one", size=3 << 20):
            pass
        try:
            fournil.Recorder(folder + "/one", size=3 << 20).start()
        except OSError as error:
            print(error)
        assert os.listdir(folder) == ["one"]
        """,
        tmp_path.parent / "full",
        before=APART,
    )


# What is taken.


def test_an_older_recording_stays_with_those_that_have_it(tmp_path: Path) -> None:
    path, kept = tmp_path / "recording", tmp_path / "kept"
    record(path)
    os.link(path, kept)
    before = kept.read_bytes()
    record(path)
    assert kept.read_bytes() == before
    assert not path.samefile(kept)


def test_an_empty_file_is_written_into(tmp_path: Path) -> None:
    path = tmp_path / "recording"
    path.touch(0o644)
    inode = path.stat().st_ino
    record(path)
    assert path.stat().st_ino == inode
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert ended(path)


def test_a_file_with_the_first_bytes_of_a_recording(tmp_path: Path) -> None:
    (tmp_path / "recording").write_bytes(MAGIC)
    record(tmp_path / "recording")
    assert ended(tmp_path / "recording")


def test_through_a_link(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("recording")
    for _ in range(2):
        record(link)
    assert link.is_symlink()
    assert ended(tmp_path / "recording")


def test_one_recorder_starts_again_and_again(tmp_path: Path) -> None:
    again = recorder(tmp_path / "recording")
    for _ in range(3):
        with again:
            pass
        assert ended(tmp_path / "recording")


def test_a_loop_that_has_not_let_go_of_the_one_before(tmp_path: Path) -> None:
    again = "recorder.stop(); recorder.start(); " * 3
    check(IN_A_STEP.format(meanwhile=again), tmp_path / "recording")
    assert ended(tmp_path / "recording")


@pytest.mark.parametrize("size", [SMALL, 1 << 60])
def test_no_room_in_shared_memory(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # A recording that is not kept goes where there is room.
    monkeypatch.setattr(tempfile, "gettempdir", lambda: "/elsewhere")
    assert files.folder_with_room(size) == ("/dev/shm" if size == SMALL else "/elsewhere")


# Several processes.

SECOND = """
try:
    fournil.Recorder(path).start()
except OSError as error:
    sys.exit(str(error))
"""


def test_a_second_process_is_refused_with_the_number_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "recording"
    with recorder(path):
        before = path.stat().st_ino
        second = subprocess.run(
            [sys.executable, "-c", PRELUDE + SECOND, str(path)], capture_output=True, text=True
        )
        assert f"process {os.getpid()} records into it; give another path" in second.stderr
        assert path.stat().st_ino == before
    assert ended(path)
    assert list(tmp_path.iterdir()) == [path]


def test_several_that_begin_at_once(tmp_path: Path) -> None:
    path = tmp_path / "recording"
    waits = "sys.stdin.readline()\n"
    for exists in (False, True):
        assert path.exists() == exists
        processes = [
            subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    PRELUDE + waits + SECOND + 'print("on")\n' + waits,
                    str(path),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(4)
        ]
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        # The one that records ends when its input does.
        said = [process.stdout.readline() for process in processes if process.stdout is not None]
        errors = [process.communicate()[1] for process in processes]
        assert sorted(said) == ["", "", "", "on\n"], errors
        winner = processes[said.index("on\n")]
        assert winner.returncode == 0
        refused = [error for error in errors if error]
        assert len(refused) == 3
        assert all("records into it" in error or "locked" in error for error in refused), refused
        assert ended(path)


def test_the_recording_of_a_process_that_was_killed_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "recording"
    check("fournil.Recorder(path).start(); os.kill(os.getpid(), 9)", path, status=-9)
    assert not ended(path)
    record(path)
    assert ended(path)


def test_a_process_that_replaced_itself_records_again(tmp_path: Path) -> None:
    # Its number is that of the one that never ended its recording.
    path = tmp_path / "recording"
    check(
        """
        fournil.Recorder(path).start()
        if len(sys.argv) == 2:
            os.execv(sys.executable, [sys.executable, *sys.argv, "again"])
        """,
        path,
    )
    assert ended(path)


@pytest.mark.parametrize("given", ["{path}-%p", "{folder}", "{folder}/", "{folder}/worker-%p"])
def test_workers_have_files_of_their_own(given: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    given = given.format(path=tmp_path / "recording", folder=folder)
    printed = check(
        f"""
        recorder = fournil.Recorder({given!r})
        workers = []
        for _ in range(3):
            pid = os.fork()
            if pid == 0:
                with recorder:
                    fournil.run(asyncio.sleep(0))
                assert str(os.getpid()) in recorder.path.name
                os.write(1, f"{{recorder.path}}\\n".encode())
                os._exit(0)
            workers.append(pid)
        assert [os.waitpid(pid, 0)[1] for pid in workers] == [0] * 3
        """,
        tmp_path / "program",
    )
    paths = [Path(line) for line in printed.split()]
    assert len(set(paths)) == 3
    assert all(map(ended, paths))


def test_workers_with_one_path(tmp_path: Path) -> None:
    check(
        """
        with fournil.Recorder(path):
            pid = os.fork()
            if pid == 0:
                try:
                    fournil.Recorder(path).start()
                except OSError as error:
                    os._exit(f"process {os.getppid()} records" in str(error))
                os._exit(2)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
        """,
        tmp_path / "recording",
    )
    assert ended(tmp_path / "recording")
