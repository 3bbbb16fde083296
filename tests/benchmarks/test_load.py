"""The programs in C: the load, its histogram and the floor."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.load.compiled import FLAGS, SOURCES, compiled


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


IN_BUCKETS = r"""
#include "histogram.h"
#include <stdio.h>

int main(void)
{
    static struct histogram h;
    int before = -1;
    for (uint64_t value = 0; value < 1ull << 62; value += 1 + value / 1000) {
        int bucket = bucket_of(value);
        double middle = value_of(bucket), off = middle - (double)value;
        if (bucket < before || bucket >= BUCKETS)
            return printf("%lu is in bucket %d, after %d\n", value, bucket, before), 1;
        if (off > (double)value / STEPS + 1 || -off > (double)value / STEPS + 1)
            return printf("%lu is in a bucket of %f\n", value, middle), 1;
        before = bucket;
    }
    for (uint64_t value = 1; value <= 10000; value++)
        record(&h, value);
    printf("[%f, %f, %f, %f]", percentile(&h, 0), percentile(&h, 50), percentile(&h, 99),
           percentile(&h, 100));
}
"""


def test_a_histogram_is_within_two_percent(tmp_path: Path) -> None:
    source, program = tmp_path / "test.c", tmp_path / "test"
    source.write_text(IN_BUCKETS)
    subprocess.run(["gcc", *FLAGS, f"-I{SOURCES}", "-o", program, source], check=True)
    ended = subprocess.run([program], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout
    assert json.loads(ended.stdout) == pytest.approx([1, 5000, 9900, 10000], rel=0.02)
