"""What a blocked step serves is found where frameworks keep it, and nothing of the program runs."""

from __future__ import annotations

import asyncio
import functools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, NoReturn

import pytest

import fournil
from fournil.observe.report.document import as_dict
from fournil.observe.report.publish import load
from fournil.record.kinds import SampleKind
from fournil.record.layout import HEADER, SAMPLE

TIMEOUT = 20
A_WHILE = 0.2


def list_bread() -> None: ...


def other() -> None: ...


def wrapped(function: Callable[[], None]) -> Callable[[], None]:
    @functools.wraps(function)
    def wrapper() -> None:
        function()

    return wrapper


class Bakery:
    def bread(self) -> None: ...


class Odd:
    """Answers by code of its own, which must not run."""

    asked: ClassVar[list[str]] = []

    def __getattr__(self, name: str) -> NoReturn:
        self.asked.append(name)
        raise ValueError(name)

    @property
    def endpoint(self) -> NoReturn:
        self.asked.append("endpoint")
        raise ValueError

    def __eq__(self, other: object) -> bool:
        self.asked.append("==")
        return False

    def __hash__(self) -> int:
        return hash("endpoint")


def serving(work: Callable[[], None], **variables: object) -> None:
    """Work as a framework does for a request, in variables of these names."""
    names = ", ".join(variables)
    namespace: dict[str, Any] = {}
    exec(f"def app(work, {names}):\n    work()\n", namespace)
    namespace["app"](work, **variables)


class Work:
    """Blocks until the recording says what is served, or for a while where that is nothing."""

    def __init__(self, path: Path, *, computes: bool = False, seconds: float = TIMEOUT) -> None:
        self.path = path
        self.computes = computes
        self.seconds = seconds

    def __call__(self) -> None:
        before = self.told()
        until = time.monotonic() + self.seconds
        while self.told() == before and time.monotonic() < until:
            if self.computes:
                sum(range(1_000_000))
            else:
                time.sleep(0.05)

    def told(self) -> int:
        """Return how many steps the recording tells this of."""
        data = self.path.read_bytes()
        header = HEADER.unpack(data)
        offset, size = header["samples_offset"], header["samples_count"] * SAMPLE.size
        return SAMPLE.column(data[offset : offset + size], "kind").tolist().count(SampleKind.SERVED)


def serves(path: Path, work: Callable[[], None], **variables: object) -> list[dict[str, Any]]:
    async def main() -> None:
        serving(work, **variables)

    with fournil.Recorder(path, size="2M"):
        fournil.run(main())
    blocked = as_dict(load(str(path)))["blocked"]
    return [one for of in blocked for one in of["serves"]]


ROUTE = SimpleNamespace(path="/bread/{kind}", endpoint=list_bread)
SCOPE = {"type": "http", "method": "GET", "endpoint": list_bread, "route": ROUTE}


def aiohttp_request(path: str = "_path") -> object:
    resource = SimpleNamespace(**{path: "/bread/{kind}"})
    route = SimpleNamespace(_handler=list_bread, _resource=resource)
    return SimpleNamespace(_match_info=SimpleNamespace(_route=route), _method="GET")


FOUND: dict[str, tuple[dict[str, object], str | None, str | None]] = {
    "ASGI": ({"scope": SCOPE}, "GET /bread/{kind}", "list_bread"),
    "a request with a scope": (
        {"request": SimpleNamespace(scope=SCOPE)}, "GET /bread/{kind}", "list_bread"
    ),
    "a route": ({"route": ROUTE}, None, "list_bread"),
    "FastAPI": ({"dependant": SimpleNamespace(call=list_bread)}, None, "list_bread"),
    "aiohttp": ({"request": aiohttp_request()}, "GET /bread/{kind}", "list_bread"),
    "aiohttp, with a variable": (
        {"request": aiohttp_request("_formatter")}, "GET /bread/{kind}", "list_bread"
    ),
    "Django": (
        {
            "request": SimpleNamespace(
                method="GET", resolver_match=SimpleNamespace(route="bread/<kind>")
            ),
            "callback": list_bread,
        },
        "GET /bread/<kind>",
        "list_bread",
    ),
    "a function": ({"handler": list_bread}, None, "list_bread"),
    "a method": ({"handler": Bakery().bread}, None, "Bakery.bread"),
    "a partial": ({"handler": functools.partial(list_bread)}, None, "list_bread"),
    "a decorated one": (
        {"handler": wrapped(list_bread)}, None, "wrapped.<locals>.wrapper"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FOUND)
def test_it_is_found_in(name: str, tmp_path: Path) -> None:
    variables, route, function = FOUND[name]
    (found,) = serves(tmp_path / "r", Work(tmp_path / "r"), **variables)
    assert (found["route"], found["function"]) == (route, function)
    assert found["file"] == __file__


def test_it_is_found_while_python_code_runs(tmp_path: Path) -> None:
    (found,) = serves(tmp_path / "r", Work(tmp_path / "r", computes=True), scope=SCOPE)
    assert (found["route"], found["function"]) == ("GET /bread/{kind}", "list_bread")


def test_of_several_the_innermost_is_told(tmp_path: Path) -> None:
    def inner() -> None:
        serving(Work(tmp_path / "r"), handler=list_bread)

    (found,) = serves(tmp_path / "r", inner, handler=other)
    assert found["function"] == "list_bread"


NONE: dict[str, object] = {
    "None": None,
    "a number": 7,
    "a text": "text",
    "a list": [list_bread],
    "a dictionary": {"x": list_bread},
    "an empty one": {},
    "an object": object(),
    "a type": type,
    "a builtin": len,
    "an odd type": Odd,
    "an odd object": Odd(),
    "an odd key": {Odd(): list_bread},
}


@pytest.mark.parametrize("name", NONE)
def test_what_is_no_handler_is_none(name: str, tmp_path: Path) -> None:
    value = NONE[name]
    Odd.asked.clear()
    names = ("scope", "request", "handler", "route", "dependant")
    work = Work(tmp_path / "r", seconds=A_WHILE)
    assert serves(tmp_path / "r", work, **dict.fromkeys(names, value)) == []
    assert Odd.asked == []


def test_names_that_would_end_a_line_are_changed(tmp_path: Path) -> None:
    scope = SCOPE | {"route": SimpleNamespace(path="/a\n\x1f\x00b\u2028")}
    (found,) = serves(tmp_path / "r", Work(tmp_path / "r"), scope=scope)
    assert found["route"] == "GET /a???b\u2028"


def test_nothing_is_kept_of_what_was_found(tmp_path: Path) -> None:
    value = SimpleNamespace(endpoint=list_bread)
    before = sys.getrefcount(value), sys.getrefcount(list_bread)
    assert serves(tmp_path / "r", Work(tmp_path / "r"), route=value)
    assert (sys.getrefcount(value), sys.getrefcount(list_bread)) == before


def test_each_step_is_told_once(tmp_path: Path) -> None:
    async def main() -> None:
        for _ in range(3):
            serving(Work(tmp_path / "r"), handler=list_bread)
            await asyncio.sleep(0)

    with fournil.Recorder(tmp_path / "r", size="2M"):
        fournil.run(main())
    # A busy machine may block more, or see one of the three otherwise.
    told = [of for of in as_dict(load(str(tmp_path / "r")))["blocked"] if of["serves"]]
    assert sum(of["count"] for of in told) == 3
    for of in told:
        assert [one["share"] for one in of["serves"]] == [pytest.approx(1.0)]
