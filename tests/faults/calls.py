"""What the calls do; each worker imports this, and little else."""

from __future__ import annotations

import mmap
import resource
from typing import Any


def eat(most: int) -> None:
    """Take memory until there is none, of a limit that is set here."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as file:
        size = int(file.read().split()[0]) * mmap.PAGESIZE
    resource.setrlimit(resource.RLIMIT_AS, (size + most, before[1]))
    eaten = []
    try:
        while True:
            eaten.append(bytearray(10_000_000))
    finally:
        eaten.clear()
        resource.setrlimit(resource.RLIMIT_AS, before)


def compute(number: int) -> int:
    return sum(n * n for n in range(number))


def ignore_all() -> None:
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass


def same(value: Any) -> Any:
    return value


def last(values: Any) -> int:
    return int(values[-1])


def fail_first() -> None:
    raise LookupError("no model")
