"""Commands as people type them, under `fournil run`: their workers' lines are in the report."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.commands import jobs, servers


@pytest.mark.parametrize("server", servers.SERVERS, ids=lambda server: server.name)
def test_the_lines_of_a_servers_handlers(server: servers.Server, tmp_path: Path) -> None:
    if server.missing:
        pytest.skip(f"{', '.join(server.missing)} not installed")
    assert not servers.check(server, tmp_path), (tmp_path / "said").read_text(errors="replace")


# How children are started, tests/launch tries in more ways.
JOBS = [job for job in jobs.JOBS if job.needs or job.name == "a reloader"]


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_the_lines_of_jobs(job: jobs.Job, tmp_path: Path) -> None:
    if job.missing:
        pytest.skip(f"{', '.join(job.missing)} not installed")
    assert not jobs.check(job, tmp_path), (tmp_path / "said").read_text(errors="replace")
