"""Which recordings belong to one program, and how large a recording may be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import fournil
from fournil.observe.recording.live import load
from fournil.record import bounds, programs

RECORD = """
import fournil, sys
with fournil.Recorder(sys.argv[1], size="2M", program=int(sys.argv[2])): pass
"""


def record_in_a_process(path: Path, program: int) -> int:
    """Record another process; return its number."""
    command = [sys.executable, "-c", RECORD, str(path), str(program)]
    with subprocess.Popen(command) as process:
        assert process.wait() == 0
    return process.pid


def test_the_processes_of_one_program_are_found(tmp_path: Path) -> None:
    number = programs.new()
    pids = [record_in_a_process(tmp_path / name, number) for name in "ba"]
    other = record_in_a_process(tmp_path / "c", 0)
    (tmp_path / "d").write_bytes(b"FOURNIL\n")
    (tmp_path / "e").mkdir()
    os.mkfifo(tmp_path / "f")
    (tmp_path / "g").symlink_to(tmp_path / "a")
    old = bytearray((tmp_path / "a").read_bytes())
    old[8] = 2
    (tmp_path / "h").write_bytes(old)
    found = programs.recordings(str(tmp_path), number)
    assert [os.path.basename(one.path) for one in found] == ["b", "a"]
    assert [one.pid for one in found] == pids
    assert {(one.parent, one.program, one.ended) for one in found} == {(os.getpid(), number, True)}
    everybody = programs.recordings(str(tmp_path))
    assert [one.pid for one in everybody] == [*pids, other]
    recording = load(str(tmp_path / "a"))
    assert (recording.program, recording.parent) == (number, os.getpid())


def test_a_run_is_a_program(tmp_path: Path) -> None:
    path = tmp_path / "run"
    subprocess.run(
        [sys.executable, "-m", "fournil", "run", "--no-report", "--record", str(path), "--size=2M",
         "-c", "pass"],
        check=True,
    )  # fmt: skip
    (found,) = programs.recordings(str(tmp_path))
    assert found.path == str(path)
    assert found.program
    assert path.stat().st_size == 2 << 20


@pytest.mark.parametrize(
    ("given", "size"),
    [
        (2 << 20, 2 << 20),
        ("2M", 2 << 20),
        ("64MB", 64_000_000),
        (" 3 MiB ", 3 << 20),
        ("2.5M", 5 << 19),
        ("4096K", 4 << 20),
        ("32G", 32 << 30),
    ],
)
def test_sizes(given: int | str, size: int, tmp_path: Path) -> None:
    assert bounds.size(given) == size
    if size < 8 << 20:
        with fournil.Recorder(tmp_path / "sized", size=given):
            pass
        assert (tmp_path / "sized").stat().st_size == size


@pytest.mark.parametrize(
    ("given", "why"),
    [(given, "between 2M and 32G") for given in (0, -1, (2 << 20) - 1, (32 << 30) + 1, "1M", "33G")]
    + [
        (given, "as 64M or 1GiB") for given in ("", "M", "64", "64X", "-2M", "9" * 30 + "M", "1e9M")
    ],
)
def test_what_is_no_size_is_told(given: int | str, why: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=why) as raised:
        fournil.Recorder(tmp_path / "none", size=given)
    assert repr(given) in str(raised.value)


def test_a_small_recording_holds_all_there_is(tmp_path: Path) -> None:
    path = tmp_path / "small"
    with fournil.Recorder(path, size="2M"):
        pass
    assert load(str(path)).ended
