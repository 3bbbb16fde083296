"""Who called a blocked line, with shares; and for which route a framework ran it."""

from __future__ import annotations

import pytest

from fournil.observe.report import render
from fournil.observe.report.document import as_dict
from fournil.observe.report.sections import lines_of
from fournil.observe.report.sheet import View
from tests.observe.builder import APP, OFF, PACKAGES, PROJECT, STDLIB, Builder, Frames
from tests.observe.samples import report_of

QUERY = (APP, 10, "query")
ENCODE = (f"{PACKAGES}/fastapi/encoders.py", 250, "jsonable_encoder")
SERIALIZE = (f"{PACKAGES}/fastapi/routing.py", 190, "serialize_response")
ROUTING = (f"{PACKAGES}/starlette/routing.py", 76, "app")
RUN = (f"{PACKAGES}/uvicorn/h11_impl.py", 403, "run_asgi")


def blocked(*steps: tuple[float, Frames]) -> Builder:
    """Return a recording of steps of so many seconds with these stacks, one after the other."""
    builder = Builder()
    builder.loop(blocked=len(steps))
    begin = 1.0
    for length, frames in steps:
        builder.look(begin, begin + length, begin, OFF, frames)
        builder.blocked(begin, begin + length, builder.task(builder.site("handle")))
        begin += length + 0.1
    return builder


def text_of(builder: Builder) -> str:
    return render.plain(lines_of(report_of(builder), View(100, PROJECT)))


def callers_of(builder: Builder) -> list[tuple[str, float]]:
    (entry,) = as_dict(report_of(builder))["blocked"]
    return [(of["function"], round(of["share"], 2)) for of in entry["callers"]]


def test_callers_that_differ_are_shown_with_their_shares() -> None:
    builder = blocked(
        (0.6, [QUERY, (APP, 20, "report")]),
        (0.3, [QUERY, (APP, 30, "export")]),
        (0.1, [QUERY, (APP, 20, "report")]),
    )
    assert callers_of(builder) == [("report", 0.7), ("export", 0.3)]
    text = text_of(builder)
    assert "called by  app.py:20  report  70 %" in text
    assert "           app.py:30  export  30 %" in text


def test_what_called_all_is_shown_before_the_ways_part() -> None:
    builder = blocked(
        (0.5, [QUERY, (APP, 15, "fetch"), (APP, 20, "report"), (APP, 40, "main")]),
        (0.5, [QUERY, (APP, 15, "fetch"), (APP, 30, "export"), (APP, 40, "main")]),
    )
    assert callers_of(builder) == [("fetch", 1.0), ("report", 0.5), ("export", 0.5)]


def test_a_caller_with_next_to_nothing_is_none() -> None:
    builder = blocked((2.0, [QUERY, (APP, 20, "report")]), (0.06, [QUERY, (APP, 30, "export")]))
    assert callers_of(builder) == [("report", 1.0)]


def test_one_step_may_have_several_callers() -> None:
    builder = Builder()
    builder.loop(blocked=1)
    builder.look(1.0, 1.4, 1.0, OFF, [QUERY, (APP, 20, "report")])
    builder.look(1.0, 2.0, 1.4, OFF, [QUERY, (APP, 30, "export")])
    builder.blocked(1.0, 2.0, builder.task(builder.site("handle")))
    assert callers_of(builder) == [("export", 0.6), ("report", 0.4)]


def test_a_line_that_the_task_runs_itself_has_no_callers() -> None:
    assert callers_of(blocked((0.5, [QUERY]))) == []


def test_some_may_come_from_the_task_itself() -> None:
    builder = blocked((0.7, [QUERY]), (0.3, [QUERY, (APP, 30, "export")]))
    assert callers_of(builder) == [("export", 0.3)]


def test_a_function_that_calls_itself_is_told_once() -> None:
    deep = [(APP, 12, "walk"), *[(APP, 14, "walk")] * 30, (APP, 40, "main")]
    assert callers_of(blocked((0.5, deep))) == [("walk", 1.0), ("main", 1.0)]


def test_without_a_line_of_the_users_the_callers_are_those_of_libraries() -> None:
    is_dataclass = (f"{STDLIB}/dataclasses.py", 1260, "is_dataclass")
    builder = blocked((0.5, [is_dataclass, ENCODE, ENCODE, ENCODE, SERIALIZE, ROUTING, RUN]))
    (entry,) = as_dict(report_of(builder))["blocked"]
    assert (entry["file"], entry["line"]) == ENCODE[:2]
    assert callers_of(builder) == [("serialize_response", 1.0), ("app", 1.0), ("run_asgi", 1.0)]
    text = text_of(builder)
    assert "python" not in text
    assert "fastapi/encoders.py:250  jsonable_encoder" in text
    assert "inside     dataclasses.py:1260  is_dataclass" in text
    assert "called by  fastapi/routing.py:190  serialize_response" in text


HANDLERS = [
    ("", 0, "GET /bread/{kind}"),
    (f"{PACKAGES}/limits/wrap.py", 3, "wrapper"),
    (APP, 33, "list_bread"),
    (APP, 50, "later"),
]


def test_the_route_and_the_handler_are_told() -> None:
    builder = blocked((0.5, [ENCODE, SERIALIZE, RUN]))
    builder.served(1.0, HANDLERS)
    (entry,) = as_dict(report_of(builder))["blocked"]
    assert entry["serves"] == [
        {
            "route": "GET /bread/{kind}",
            "file": APP,
            "line": 33,
            "function": "list_bread",
            "share": pytest.approx(1.0),
        }
    ]
    assert "serves     GET /bread/{kind}  list_bread  app.py:33" in text_of(builder)


@pytest.mark.parametrize(
    ("handlers", "told"),
    [
        (HANDLERS[:1], "serves     GET /bread/{kind}"),
        (HANDLERS[1:], "serves     list_bread  app.py:33"),
        (HANDLERS[1:2], None),
        ([], None),
    ],
)
def test_what_is_not_known_of_a_request_is_left_out(handlers: Frames, told: str | None) -> None:
    builder = blocked((0.5, [ENCODE, RUN]))
    builder.served(1.0, handlers)
    lines = [line.strip() for line in text_of(builder).splitlines() if "serves" in line]
    assert lines == ([told] if told else [])


def test_several_routes_are_told_with_their_shares() -> None:
    builder = blocked((0.6, [ENCODE, RUN]), (0.2, [ENCODE, RUN]), (0.2, [ENCODE, RUN]))
    builder.served(1.0, HANDLERS)
    builder.served(1.7, [("", 0, "GET /cakes"), (APP, 44, "cakes")])
    text = text_of(builder)
    assert "serves     GET /bread/{kind}  list_bread  app.py:33  60 %" in text
    assert "           GET /cakes  cakes  app.py:44  20 %" in text
