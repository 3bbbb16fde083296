"""Reads deviations.toml: the tests that fail on our loop, each with the reason."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_name("deviations.toml")

Version = tuple[int, int]


def listed(version: Version = sys.version_info[:2], table: Path = TABLE) -> dict[str, str]:
    """Return the tests that are listed for a version of Python, with the reason of each.

    Raises:
        ValueError: the table lists a test twice, or has Pythons that cannot be read.
    """
    reasons: dict[str, str] = {}
    for group in tomllib.loads(table.read_text(encoding="utf-8")).get("because", []):
        for test, pythons in _entries(group):
            if not _includes(pythons, version):
                continue
            if test in reasons:
                raise ValueError(f"{table.name} lists {test} twice for {version[0]}.{version[1]}")
            reasons[test] = " ".join(group["reason"].split())
    return reasons


def _entries(group: dict[str, Any]) -> Iterable[tuple[str, str]]:
    for prefix, tests in group["tests"].items():
        for name, pythons in tests.items():
            yield f"{prefix}.{name}", pythons


def _includes(pythons: str, version: Version) -> bool:
    match = re.fullmatch(r"3\.(\d+)(?:-3\.(\d+))?", pythons)
    if match is None:
        raise ValueError(f"{pythons!r} is neither one Python, as '3.12', nor a range, '3.11-3.15'")
    first, last = int(match[1]), int(match[2] or match[1])
    return version[0] == 3 and first <= version[1] <= last
