"""Programs with mounts of their own, which nobody else sees."""

from __future__ import annotations

import subprocess

import pytest

APART = ["unshare", "--mount"]
"""Begins a command that may mount; only root can, and not in a changed root (chroot)."""

WITHOUT_PROC = [*APART, "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"]
"""Begins a command that finds an empty /proc."""


def _can_mount() -> bool:
    try:
        return subprocess.run([*APART, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


mounts = pytest.mark.skipif(not _can_mount(), reason="no mounts of our own can be made here")
