"""What of two runs and the table of deviations is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance import verdicts
from tests.conformance.deviations import listed
from tests.conformance.running import Outcome

PASSED, SKIPPED = Outcome("passed"), Outcome("skipped", "no reason")
FAILED = Outcome("failed", "Traceback (most recent call last):\n  ...\nValueError: 3\n")


def test_passes_only_on_asyncio() -> None:
    ours = {"a": FAILED, "b": PASSED, "c": SKIPPED, "d": FAILED, "e": FAILED}
    theirs = {"a": PASSED, "b": FAILED, "c": PASSED, "d": FAILED, "e": PASSED, "f": PASSED}
    assert list(map(str, verdicts.unlisted(ours, theirs, {"e": "why"}))) == [
        "a: failed: ValueError: 3",
        "c: skipped: no reason",
        "f: not run: our loop's run does not have this test",
    ]


def test_fails_where_asyncio_has_no_such_test() -> None:
    crashed = Outcome("crashed", "the process died of SIGSEGV")
    [wrong] = verdicts.unlisted({"m (between two tests)": crashed, "a": SKIPPED}, {}, {})
    assert str(wrong) == "m (between two tests): crashed: the process died of SIGSEGV"


def test_listed_but_passes() -> None:
    [wrong] = verdicts.wrongly_listed({"a": PASSED, "b": FAILED}, {"a": "why", "b": "why"})
    assert str(wrong) == "a: is listed as a deviation but passes; take it off the list"


def test_one_loop_alone() -> None:
    outcomes = {"a": FAILED, "b": SKIPPED, "c": FAILED, "d": PASSED}
    wrong = verdicts.not_passed(outcomes, {"c": "why"})
    assert list(map(str, wrong)) == ["a: failed: ValueError: 3"]


def test_in_question() -> None:
    assert verdicts.in_question({"a": FAILED, "b": SKIPPED, "c": PASSED}) == {"a", "b"}


TABLE = """
[[because]]
reason = '''
two
lines'''
[because.tests.test_x]
"A.one" = "3.11-3.13"
"A.two" = "3.12"

[[because]]
reason = "another"
[because.tests.test_y]
"B.one" = "3.12-3.15"
"""


def test_table_by_version(tmp_path: Path) -> None:
    table = tmp_path / "table.toml"
    table.write_text(TABLE)
    assert listed((3, 11), table) == {"test_x.A.one": "two lines"}
    assert listed((3, 12), table) == {
        "test_x.A.one": "two lines",
        "test_x.A.two": "two lines",
        "test_y.B.one": "another",
    }
    assert listed((3, 14), table) == {"test_y.B.one": "another"}


def test_table_twice(tmp_path: Path) -> None:
    table = tmp_path / "table.toml"
    table.write_text(TABLE + '\n[because.tests.test_x]\n"A.two" = "3.12"\n')
    with pytest.raises(ValueError, match=r"lists test_x\.A\.two twice for 3\.12"):
        listed((3, 12), table)


def test_table_unreadable(tmp_path: Path) -> None:
    table = tmp_path / "table.toml"
    table.write_text(TABLE.replace("3.11-3.13", ">=3.11"))
    with pytest.raises(ValueError, match="neither one Python"):
        listed((3, 11), table)


def test_tables_of_every_python() -> None:
    for minor in range(11, 16):
        listed((3, minor))
