"""A pytest plugin that writes each test's begin and outcome to a file, at once, as JSON lines."""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from typing import Any, TextIO

import pytest


class Outcomes:
    """Writes, and counts the loops of ours that the tests made."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._loops = 0
        self._states: dict[str, tuple[str, str]] = {}

    def write(self, **fields: object) -> None:
        self._file.write(json.dumps(fields) + "\n")
        self._file.flush()

    def count_loops(self) -> None:
        from fournil.loop import EventLoop

        init = EventLoop.__init__

        def counted(loop: EventLoop, *args: Any, **kwargs: Any) -> None:
            self._loops += 1
            init(loop, *args, **kwargs)

        EventLoop.__init__ = counted  # type: ignore[assignment]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        self.write(began=item.nodeid)
        self._loops = 0
        self._states[item.nodeid] = ("passed", "")
        result = yield
        state, detail = self._states.pop(item.nodeid)
        self.write(ended=item.nodeid, state=state, detail=detail, seconds=0.0, loops=self._loops)
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped:
            state = "failed as expected" if hasattr(report, "wasxfail") else "skipped"
            self._states[report.nodeid] = (state, "")
        elif report.failed:
            self._states[report.nodeid] = ("failed", _last_line(report))

    def pytest_sessionfinish(self) -> None:
        self.write(complete=True)


def _last_line(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message if crash else report.longreprtext).replace("\n", " ")


def pytest_configure(config: pytest.Config) -> None:
    path = os.environ.get("CONFORMANCE_RESULTS")
    # Tests of pytest plugins run pytest themselves: those outcomes are theirs.
    if path is None:
        return
    del os.environ["CONFORMANCE_RESULTS"]
    outcomes = Outcomes(open(path, "w", encoding="utf-8"))  # noqa: SIM115 - until the process ends
    if os.environ.get("CONFORMANCE_LOOP") == "fournil":
        outcomes.count_loops()
    config.pluginmanager.register(outcomes, "conformance outcomes")
