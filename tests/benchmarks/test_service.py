"""Services that are measured from outside, in short runs; nothing here needs a peer."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.case import Client, Service, all_cases
from benchmarks.command import choose_settings, why_missing
from benchmarks.errors import MeasurementError, UnableError
from benchmarks.figures import CROWD, SERVICE
from benchmarks.instructions import measure as count_instructions, why_not_counted
from benchmarks.load.compiled import why_not_compiled
from benchmarks.load.crowd import Crowd
from benchmarks.load.echo import Echo
from benchmarks.load.wrk import Wrk
from benchmarks.loops import LOOPS
from benchmarks.service import address, measure, running
from tests.benchmarks.test_run import only, run_stored

ECHO = "tcp-protocol-1KiB-50"

QUICK = choose_settings(True, [0])


def service(name: str) -> Service:
    case = all_cases()[name]
    assert isinstance(case, Service)
    return case


def test_there_is_a_compiler() -> None:
    """The package itself is built by it: its absence is a fault here, and no reason to skip."""
    assert shutil.which("gcc")
    assert why_not_compiled("load") is None
    assert why_not_compiled("epoll_echo") is None


def test_echoes_on_asyncio_on_ours_and_on_the_floor(tmp_path: Path) -> None:
    loops = "asyncio,fournil,fournil+recording,epoll-c"
    names = [ECHO, "unix-sock-64B-1"]
    stored = run_stored(tmp_path, "--quick", "--rounds", "1", *only(names), "--loops", loops)
    assert stored["missing"] == {}
    assert stored["unable"] == {}
    assert stored["failures"] == []
    assert stored["results"].keys() == set(names)
    for measured in stored["results"].values():
        assert measured.keys() == set(loops.split(","))
        for result in measured.values():
            assert result.keys() == {figure.name for figure in SERVICE.figures}
            assert all(figure["value"]["median"] > 0 for figure in result.values())
            assert result["p50_us"]["value"]["median"] <= result["p999_us"]["value"]["median"]


def test_each_kind_of_server_on_asyncio(tmp_path: Path) -> None:
    names = [
        "tcp-buffered-64KiB-1",
        "tcp-readline-64B-1",
        "tcp-readexactly-64B-50",
        "tcp-reconnect-protocol",
        "udp-datagrams-64B-1",
        "tcp-protocol-1KiB-50-at-10000",
        "http-aiohttp-hello-at-2000",
    ]
    stored = run_stored(tmp_path, "--quick", "--rounds", "1", *only(names), "--loops", "asyncio")
    assert stored["missing"] == {}
    assert stored["results"].keys() == set(names)


@pytest.mark.parametrize("name", ["tls-protocol-1KiB-50", "tls-reconnect-readline"])
def test_tls(tmp_path: Path, name: str) -> None:
    if why := service(name).load.missing():
        pytest.skip(why)
    stored = run_stored(tmp_path, "--quick", "--rounds", "1", "--only", name, "--loops", "asyncio")
    assert stored["results"].keys() == {name}


@pytest.mark.parametrize("name", ["postgres-row", "redis-get", "redis-pipeline"])
def test_clients_of_databases(tmp_path: Path, name: str) -> None:
    case = all_cases()[name]
    assert isinstance(case, Client)
    if why := why_missing(case):
        pytest.skip(why)
    stored = run_stored(tmp_path, "--quick", "--rounds", "1", "--only", name, "--loops", "asyncio")
    result = stored["results"][name]["asyncio"]
    assert result["per_second"]["value"]["median"] > 0


def test_a_crowd_on_the_floor() -> None:
    case = dataclasses.replace(service(ECHO), load=Crowd(64, 2, idle=50), kind=CROWD)
    taken = measure(case, LOOPS["epoll-c"], QUICK)
    assert {figure.name for figure in CROWD.figures} <= taken.keys()
    assert taken["per_second"] > 0
    assert taken["idle_cpu_percent"] < 50


@pytest.mark.skipif(not shutil.which("callgrind_control"), reason="valgrind is not installed")
def test_instructions_of_the_floor() -> None:
    taken = count_instructions(service("tcp-protocol-64B-1"), LOOPS["epoll-c"], QUICK)
    # A loop of epoll_wait, read and write, without what the kernel does in them.
    assert 20 < taken["instructions"] < 2000


def test_a_loop_that_cannot_serve_says_so() -> None:
    said = 'print(\'{"unable": "NotImplementedError"}\')'
    server = subprocess.Popen([sys.executable, "-c", said], stdout=subprocess.PIPE, text=True)
    with server, pytest.raises(UnableError, match="NotImplementedError"):
        address(server, LOOPS["asyncio"])


def test_a_server_that_does_not_start_is_a_failure_with_its_reason() -> None:
    case = dataclasses.replace(service(ECHO), name="no such case")
    with pytest.raises(MeasurementError, match="did not start; the server: KeyError: 'no such"):
        with running(case, LOOPS["asyncio"], QUICK):
            pass


def test_what_is_missing_is_said_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    needy = dataclasses.replace(service(ECHO), needs=("no-such-package", "pytest"))
    assert why_missing(needy) == "no-such-package not installed"
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert Wrk("/", 1).missing() == "wrk is not installed"
    assert Echo(1, 1).missing() == "gcc is not installed"
    assert why_not_counted(service(ECHO)) == "valgrind is not installed"


def test_instructions_are_of_closed_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: name)
    assert why_not_counted(service(ECHO)) is None
    assert why_not_counted(service("http-aiohttp-hello")) is None
    why = "instructions are counted in a closed loop alone, with no idle connections"
    assert why_not_counted(service("tcp-protocol-1KiB-50-at-10000")) == why
    assert why_not_counted(service("crowd-tcp-protocol")) == why
