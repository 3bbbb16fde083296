"""Whether there is memory for what is big, as the kernel's files tell it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import fournil
from fournil._worker.memory import room

MEMINFO = "MemTotal: 9000 kB\nMemAvailable:  5000 kB\nSwapFree:  1000 kB\n"


def write(root: Path, path: str, text: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_the_machine(tmp_path: Path) -> None:
    write(tmp_path, "proc/meminfo", MEMINFO)
    assert room.available(str(tmp_path)) == 6000 * 1024


def test_nothing_is_known(tmp_path: Path) -> None:
    assert room.available(str(tmp_path)) >= 1 << 60


@pytest.mark.parametrize("path", ["/", "/of/the/machine/outside"])
def test_a_container(tmp_path: Path, path: str) -> None:
    write(tmp_path, "proc/meminfo", MEMINFO)
    write(tmp_path, "proc/self/cgroup", f"0::{path}\n")
    write(tmp_path, "sys/fs/cgroup/memory.max", "1000000\n")
    write(tmp_path, "sys/fs/cgroup/memory.current", "700000\n")
    write(tmp_path, "sys/fs/cgroup/memory.stat", "anon 5\ninactive_file 100000\n")
    assert room.available(str(tmp_path)) == 400_000


def test_groups_within_each_other(tmp_path: Path) -> None:
    write(tmp_path, "proc/self/cgroup", "3:cpu:/\n4:memory:/one/other\n")
    for folder, limit in (("one", 500_000), ("one/other", 1 << 62)):
        base = f"sys/fs/cgroup/memory/{folder}"
        write(tmp_path, f"{base}/memory.limit_in_bytes", f"{limit}\n")
        write(tmp_path, f"{base}/memory.usage_in_bytes", "100000\n")
        write(tmp_path, f"{base}/memory.stat", "cache 5\n")
    assert room.available(str(tmp_path)) == 400_000


def test_a_group_without_a_limit(tmp_path: Path) -> None:
    write(tmp_path, "proc/meminfo", MEMINFO)
    write(tmp_path, "proc/self/cgroup", "0::/user\n")
    write(tmp_path, "sys/fs/cgroup/user/memory.max", "max\n")
    write(tmp_path, "sys/fs/cgroup/user/memory.current", "700000\n")
    write(tmp_path, "sys/fs/cgroup/user/memory.stat", "")
    assert room.available(str(tmp_path)) == 6000 * 1024


def test_what_is_too_big_is_refused_before_the_kernel_kills_for_it(tmp_path: Path) -> None:
    file = tmp_path / "hole"
    file.touch()
    os.truncate(file, 1 << 43)
    huge = np.memmap(file, "u1", "r")
    with pytest.raises(fournil.PoolError, match="bytes are available; share less, or let go"):
        fournil.share(huge)
    del huge


def test_arguments_too(tmp_path: Path) -> None:
    file = tmp_path / "hole"
    file.touch()
    os.truncate(file, 1 << 43)

    async def main() -> None:
        async with fournil.ProcessPool(1) as pool:
            with pytest.raises(fournil.PoolError, match="bytes are available; give smaller pieces"):
                await pool.run(len, np.memmap(file, "u1", "r"))
            assert await pool.run(pow, 2, 3) == 8

    fournil.run(main())
