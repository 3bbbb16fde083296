"""Which file tells of a quota of the CPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from fournil.record.quotas import quota_file


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000", "a/cpu.max": "50000 100000"}, "a"),
        ("0::/a/b\n", {"a/b/cpu.max": "20000 100000", "a/cpu.max": "50000 100000"}, "a/b"),
        ("0::/a\n", {"a/cpu.max": "max 100000"}, None),
        ("0::/of/the/host\n", {"cpu.max": "50000 100000"}, "."),
        ("4:cpu,cpuacct:/a\n", {"cpu,cpuacct/a/cpu.cfs_quota_us": "50000"}, "cpu,cpuacct/a"),
        ("4:cpu,cpuacct:/a\n", {"cpu/a/cpu.cfs_quota_us": "-1"}, None),
        ("3:memory:/a\n", {"a/cpu.max": "50000 100000"}, None),
        ("", {}, None),
    ],
)
def test_the_innermost_group_with_a_quota(
    groups: str, files: dict[str, str], expected: str | None, tmp_path: Path
) -> None:
    (tmp_path / "groups").write_text(groups)
    for name, text in files.items():
        (tmp_path / "mount" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mount" / name).write_text(text)
    found = quota_file(str(tmp_path / "groups"), str(tmp_path / "mount"))
    assert found == (expected and str(tmp_path / "mount" / expected / "cpu.stat"))


def test_without_control_groups_there_is_no_quota(tmp_path: Path) -> None:
    assert quota_file(str(tmp_path / "none")) is None
