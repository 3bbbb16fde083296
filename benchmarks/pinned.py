"""Processes that keep to one core."""

from __future__ import annotations


def pinned(core: int | None, command: list[str]) -> list[str]:
    """Return the command so that it keeps to that core; None: as it is."""
    return command if core is None else ["taskset", "--cpu-list", str(core), *command]
