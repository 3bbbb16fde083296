"""Runs one of CPython's test modules on one loop; writes each test down as it begins and ends.

`python -m tests.conformance.child PLAN`, where PLAN is an `Order` as JSON. The parent reads
how far it came even when a test hangs or ends the process.
"""

from __future__ import annotations

import faulthandler
import functools
import gc
import json
import sys
import time
import traceback
import unittest
from collections.abc import Iterator
from types import TracebackType
from typing import Any, NamedTuple, TextIO

from tests.conformance.suite import ASYNCIO, Suite

Error = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]


class Order(NamedTuple):
    """What to run, and where to write."""

    module: str
    loop: str  # asyncio or fournil
    results: str  # the file that gets one JSON object a line
    only: list[str] | None = None  # classes and tests; None: all
    skip: tuple[str, ...] = ()
    suite: Suite = ASYNCIO


class Results(unittest.TestResult):
    """Writes what it is told to a file, at once."""

    def __init__(self, file: TextIO, suite: Suite) -> None:
        super().__init__()
        self._file = file
        self._suite = suite
        self._state = self._detail = ""
        self._began = 0.0
        self.loops = 0
        """How many of Fournil's loops the test has made."""

    def write(self, **fields: object) -> None:
        self._file.write(json.dumps(fields) + "\n")
        self._file.flush()

    def startTest(self, test: unittest.TestCase) -> None:  # noqa: N802
        super().startTest(test)
        self._state, self._detail = "passed", ""
        self.loops = 0
        self.write(began=self._suite.short(test.id()))
        faulthandler.dump_traceback_later(self._suite.seconds, exit=True)
        self._began = time.monotonic()

    def stopTest(self, test: unittest.TestCase) -> None:  # noqa: N802
        faulthandler.cancel_dump_traceback_later()
        self._end(test)
        super().stopTest(test)

    def _end(self, test: Any) -> None:
        self.write(
            ended=self._suite.short(test.id()),
            state=self._state,
            detail=self._detail,
            seconds=round(time.monotonic() - self._began, 3),
            loops=self.loops,
        )

    def addFailure(self, test: unittest.TestCase, err: Error) -> None:  # noqa: N802
        super().addFailure(test, err)
        self._failed(test, err)

    def addError(self, test: unittest.TestCase, err: Error) -> None:  # noqa: N802
        super().addError(test, err)
        self._failed(test, err)

    def addSubTest(  # noqa: N802
        self, test: unittest.TestCase, subtest: unittest.TestCase, err: Error | None
    ) -> None:
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._failed(test, err)

    def _failed(self, test: object, error: Error) -> None:
        self._state = "failed"
        self._detail += "".join(traceback.format_exception(*error))
        if not isinstance(test, unittest.TestCase):
            # The set-up or tear-down of a class or module: nothing else says that it ended.
            self._began = time.monotonic()
            self._end(test)

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:  # noqa: N802
        super().addSkip(test, reason)
        self._state, self._detail = "skipped", reason

    def addExpectedFailure(self, test: unittest.TestCase, err: Error) -> None:  # noqa: N802
        super().addExpectedFailure(test, err)
        self._state = "failed as expected"

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802
        super().addUnexpectedSuccess(test)
        self._state, self._detail = "failed", "unexpected success"


def flatten(suite: Any) -> Iterator[unittest.TestCase]:
    if isinstance(suite, unittest.TestSuite):
        for part in suite:
            yield from flatten(part)
    else:
        yield suite


def load(order: Order) -> Iterator[unittest.TestCase]:
    """Return the tests that were asked for."""
    prefixes = ("",) if order.only is None else tuple(f"{name}." for name in order.only)
    name = f"{order.suite.package}.{order.module}"
    try:
        found = unittest.defaultTestLoader.loadTestsFromName(name)
    except unittest.SkipTest:  # as those for Windows
        return
    for test in flatten(found):
        short = order.suite.short(test.id())
        if short not in order.skip and f"{short}.".startswith(prefixes):
            yield test


def put_ours_in_place(results: Results) -> None:
    """Make each loop that the tests get Fournil's, and count them."""
    from fournil.launch import loops
    from fournil.loop import EventLoop

    # Before the tests are loaded: they keep classes and functions by names of their own.
    loops.install()
    init = EventLoop.__init__

    @functools.wraps(init)
    def counted(self: EventLoop, *args: Any, **kwargs: Any) -> None:
        results.loops += 1
        init(self, *args, **kwargs)

    EventLoop.__init__ = counted  # type: ignore[method-assign]


def main(order: Order) -> None:
    faulthandler.enable()
    with open(order.results, "w", encoding="utf-8") as file:
        results = Results(file, order.suite)
        if order.loop == "fournil":
            put_ours_in_place(results)
        tests = list(load(order))
        results.write(collected=[order.suite.short(test.id()) for test in tests])
        # Some tests collect hundreds of times, which takes long with all that is there by now.
        gc.freeze()
        unittest.TestSuite(tests).run(results)
        results.write(complete=True)


if __name__ == "__main__":
    fields = json.loads(sys.argv[1])
    main(Order(**fields | {"suite": Suite(*fields["suite"])}))
