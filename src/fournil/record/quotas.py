"""Which file tells for how long a quota of the CPU has stopped this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

GROUPS = "/proc/self/cgroup"
MOUNT = "/sys/fs/cgroup"


def quota_file(groups: str = GROUPS, mount: str = MOUNT) -> str | None:
    """Return the `cpu.stat` of the innermost control group that has a quota; None: none has.

    Args:
        groups: the file that lists the process's groups.
        mount: where the groups' folders are.
    """
    try:
        lines = Path(groups).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        found = (str(folder / "cpu.stat") for folder in _folders(lines, mount) if _limits(folder))
        return next(found, None)
    except OSError:
        return None


def _folders(lines: list[str], mount: str) -> Iterator[Path]:
    """Yield the folders of the groups that may limit the CPU, innermost first.

    In a container, the path of a group may be the host's: then only the mount itself is there.
    """
    for line in lines:
        number, names, path = [*line.split(":", 2), "", ""][:3]
        roots = [Path(mount)] if number == "0" and not names else []
        if "cpu" in names.split(","):
            roots = [Path(mount) / names, Path(mount) / "cpu"]
        for root in roots:
            inner = PurePosixPath(path.lstrip("/"))
            for part in (inner, *inner.parents):
                yield root / part


def _limits(folder: Path) -> bool:
    """Whether a group has a quota, by the file of either version of control groups."""
    for name, unlimited in (("cpu.max", "max"), ("cpu.cfs_quota_us", "-")):
        try:
            return not (folder / name).read_text().startswith(unlimited)
        except OSError:
            continue
    return False
