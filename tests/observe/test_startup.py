"""What a server does before it serves anybody is told apart, and does not alarm."""

from __future__ import annotations

from fournil.observe.report import render
from fournil.observe.report.document import as_dict
from fournil.observe.report.sections import lines_of
from fournil.observe.report.sheet import View
from fournil.record.kinds import Kind
from tests.observe.builder import APP, OFF, PROJECT, Builder, tick
from tests.observe.samples import report_of


def server(*, accepted: float = 0.0, listening: float = 0.5) -> Builder:
    """Return a recording of a server that blocks from 1.0 to 3.0 s, and from 5.0 to 5.2 s."""
    builder = Builder(
        accepted_ticks=tick(accepted) if accepted else 0,
        listening_ticks=tick(listening) if listening else 0,
    )
    loop = builder.loop(blocked=2, ran=9.0)
    main = builder.task(builder.site("main", APP, 1))
    for begin, end, line in ((1.0, 3.0, 7), (5.0, 5.2, 9)):
        builder.look(begin, end, begin, OFF, [(APP, line, "work")])
        builder.blocked(begin, end, main, thread=loop)
        builder.event(Kind.TASK, begin, end - begin, subject=main, thread=loop)
    return builder


def text_of(builder: Builder) -> str:
    return render.plain(lines_of(report_of(builder), View(100, PROJECT)))


def test_what_came_before_the_first_connection_is_listed_last_and_has_no_advice() -> None:
    report = report_of(server(accepted=4.0))
    lines = [(of["line"], of["when"]["at_startup"]) for of in as_dict(report)["blocked"]]
    assert lines == [(9, False), (7, True)]
    assert report.findings[1].advice is None
    text = text_of(server(accepted=4.0))
    assert "1 step blocked the loop for 200 ms" in text
    blocked, startup = text.split("At start-up, before the first connection")
    assert "app.py:9" in blocked
    assert "app.py:7" not in blocked
    assert "app.py:7" in startup.splitlines()[1]


def test_a_server_that_blocked_at_its_start_alone_is_all_right() -> None:
    text = text_of(server(accepted=6.0))
    assert "Nothing blocked the loop: 2 steps took 2.20 s at start-up, before it served" in text
    assert " blocked the loop for" not in text


def test_without_a_connection_it_is_what_came_before_it_listened() -> None:
    assert [of["line"] for of in as_dict(report_of(server(listening=4.0)))["blocked"]] == [9, 7]


def test_a_program_that_serves_nobody_has_no_startup() -> None:
    text = text_of(server(listening=0.0))
    assert "At start-up" not in text
    assert "2 steps blocked the loop for 2.20 s" in text


def test_of_a_server_that_listened_before_the_recording_nothing_is_the_startup() -> None:
    assert "At start-up" not in text_of(server(listening=0.0, accepted=4.0))


def test_a_step_that_goes_on_when_the_first_connection_is_accepted_is_not_of_the_startup() -> None:
    assert "2 steps blocked" in text_of(server(accepted=2.0))


def test_a_connection_that_waited_for_the_start_is_no_matter_of_the_start() -> None:
    builder = server(accepted=3.01)
    accept = builder.site("Server.accept", APP, 30)
    builder.event(Kind.READER, 3.0, 0.01, subject=1 << 31 | accept, thread=0)
    blocked = as_dict(report_of(builder))["blocked"]
    lines = [(of["line"], of["when"]["at_startup"]) for of in blocked]
    assert lines == [(7, False), (9, False)]
