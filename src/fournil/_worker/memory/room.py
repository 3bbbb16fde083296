"""Whether there is memory for what is big.

A file in memory takes pages for as long as the kernel finds any; then the kernel kills a process,
and says nothing to the one that asked. So what is big is asked for here before.
"""

from __future__ import annotations

import os
from errno import ENOMEM

BIG = 1 << 28
"""Who asks for less bytes is not kept waiting."""

NO_LIMIT = 1 << 60
"""Limits above are what kernels say where there is none."""


def reserve(descriptor: int, offset: int, size: int) -> None:
    """Have a part of a file in memory take its pages now.

    When they are written to it is too late: there is no error then, but a signal that kills.

    Raises:
        OSError: there is not so much.
    """
    if size >= BIG and size > (left := available()):
        raise OSError(ENOMEM, f"{os.strerror(ENOMEM)}, {left:,} bytes are available")
    os.posix_fallocate(descriptor, offset, size)


def available(root: str = "") -> int:
    """Return how many bytes the machine, and the group that this process is in, have left.

    Args:
        root: where the kernel's files are.
    """
    left = [NO_LIMIT]
    try:
        with open(f"{root}/proc/meminfo") as file:
            found = dict(line.split(":") for line in file)
        left.append(sum(_number(found[name]) for name in ("MemAvailable", "SwapFree")) * 1024)
    except (OSError, KeyError, ValueError):
        pass  # where /proc is not there nothing is known
    left += [_left_to(group) for group in _groups(root)]
    return max(0, min(left))


def _groups(root: str) -> list[tuple[str, str, str]]:
    """Return limit, use and statistics of the groups that bound this process's memory."""
    try:
        with open(f"{root}/proc/self/cgroup") as file:
            lines = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:
        return []
    groups = []
    for _, controllers, path in lines:
        if not controllers:
            base = f"{root}/sys/fs/cgroup"
            names = ("memory.max", "memory.current")
        elif controllers == "memory":
            base = f"{root}/sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
        else:
            continue
        # In a container the path may be one of the machine outside, and the top is its own.
        within = path
        while True:
            folder = base + within.rstrip("/")
            groups.append((f"{folder}/{names[0]}", f"{folder}/{names[1]}", f"{folder}/memory.stat"))
            if within in ("/", ""):
                break
            within = within.rpartition("/")[0]
    return groups


def _left_to(group: tuple[str, str, str]) -> int:
    try:
        limit, used, statistics = (_text(path) for path in group)
        if limit.strip() == "max" or int(limit) > NO_LIMIT:
            return NO_LIMIT
        # What was read from files and is not in use makes room when it is asked to.
        stat = dict(line.split() for line in statistics.splitlines())
        return int(limit) - int(used) + int(stat.get("inactive_file", 0))
    except (OSError, ValueError):
        return NO_LIMIT  # a group that has no limit, or is not to be seen


def _text(path: str) -> str:
    with open(path) as file:
        return file.read()


def _number(text: str) -> int:
    return int(text.split(maxsplit=1)[0])
