"""Services that are measured from outside: one short run, and what the load in C says."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.figures import SERVICE
from benchmarks.load.compiled import compiled, why_not_compiled
from tests.benchmarks.test_run import run_stored

ECHO = "tcp-protocol-1KiB-50"


def test_there_is_a_compiler() -> None:
    """The package itself is built by it: its absence is a fault here, and no reason to skip."""
    assert shutil.which("gcc")
    assert why_not_compiled("load") is None
    assert why_not_compiled("epoll_echo") is None


def test_an_echo_on_asyncio_on_ours_and_on_the_floor(tmp_path: Path) -> None:
    loops = "asyncio,fournil,fournil+recording,epoll-c"
    stored = run_stored(
        tmp_path, "--quick", "--rounds", "1", "--only", ECHO, "--only", "unix-sock-64B-1",
        "--loops", loops,
    )  # fmt: skip
    assert stored["missing"] == {}
    assert stored["unable"] == {}
    assert stored["failures"] == []
    assert stored["results"].keys() == {ECHO, "unix-sock-64B-1"}
    for measured in stored["results"].values():
        assert measured.keys() == set(loops.split(","))
        for result in measured.values():
            assert result.keys() == {figure.name for figure in SERVICE.figures}
            assert all(figure["value"]["median"] > 0 for figure in result.values())
            assert result["p50_us"]["value"]["median"] <= result["p999_us"]["value"]["median"]


@pytest.fixture
def floor() -> Iterator[str]:
    server = subprocess.Popen(
        [compiled("epoll_echo"), "tcp:0"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with server:
        assert server.stdout
        yield server.stdout.readline().strip()
        assert server.stdin
        server.stdin.close()


def load(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([compiled("load"), *arguments], capture_output=True, text=True)


@pytest.mark.parametrize("size", ["1", "1024", "1000000"])
def test_a_number_of_operations(floor: str, size: str) -> None:
    ended = load(floor, "--operations", "200", "--connections", "3", "--size", size)
    assert ended.returncode == 0, ended.stderr
    said = json.loads(ended.stdout)
    assert said["operations"] >= 200
    assert said["lost"] == 0
    latency = said["latency_us"]
    assert 0 < latency["p50"] <= latency["p99"] <= latency["p99.9"] <= latency["max"]


def test_connections_that_are_opened_anew(floor: str) -> None:
    said = json.loads(load(floor, "--reconnect", "--operations", "100").stdout)
    assert said["operations"] == 100


def test_a_given_rate_is_kept(floor: str) -> None:
    said = json.loads(load(floor, "--rate", "500", "--operations", "100").stdout)
    # A machine that is busy may be late, but never early.
    assert said["seconds"] >= 99 / 500


def test_idle_connections_come_first(floor: str) -> None:
    with subprocess.Popen(
        [compiled("load"), floor, "--idle", "20", "--operations", "10"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as ours:
        assert ours.stdout
        assert ours.stdout.readline() == "idle\n"
        rest, _ = ours.communicate("go\n")
    assert json.loads(rest)["operations"] == 10


def test_a_server_that_is_not_there() -> None:
    ended = load("tcp:1")
    assert ended.returncode == 1
    assert ended.stderr == "connect, after 0 connections: Connection refused\n"


def test_an_address_that_is_none() -> None:
    ended = load("localhost:80")
    assert ended.returncode == 1
    assert ended.stderr == "localhost:80 is no address: give tcp:PORT, udp:PORT or unix:PATH\n"
