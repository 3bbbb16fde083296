"""Reports as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from unittest.mock import ANY

import pytest

from fournil.evidence.classify import Blocker
from fournil.observe.report import document as documents
from fournil.observe.report.document import as_dict
from tests.observe import samples
from tests.observe.builder import APP, Builder
from tests.observe.samples import ADVICE, SOURCE, report_of


def test_the_names_of_the_json() -> None:
    document = as_dict(report_of(samples.bakery()), lambda frame: SOURCE.get(frame.line, ""))
    assert json.loads(json.dumps(document)) == document
    assert document["run_s"] == pytest.approx(10.0)
    assert document["dropped"] == 0
    (loop,) = document["loops"]
    assert loop["busy_share"] == pytest.approx(4.7 / 9.9)
    assert loop["steps"] == 12_345
    assert loop["lag_s"] == {"p50": ANY, "p99": ANY, "max": pytest.approx(1.01)}
    waiting, python, native_gil = document["blocked"]
    assert waiting == {
        "class": "waiting",
        "file": APP,
        "line": 42,
        "function": "fetch",
        "lines": [{"file": APP, "line": 42, "function": "fetch", "total_s": pytest.approx(3.98)}],
        "count": 4,
        "total_s": pytest.approx(3.98),
        "steps_s": pytest.approx(3.98),
        "longest_s": pytest.approx(1.01),
        "running": False,
        "gil_wait_s": 0.0,
        "kind": "task",
        "task": "Task-2 (handle)",
        "callback": None,
        "started_by": "Task-1 (main)",
        "others": 3,
        "serves": [],
        "callers": [{"file": APP, "line": 45, "function": "handle", "own": True, "share": 1.0}],
        "when": {
            "first_s": pytest.approx(1.0),
            "last_s": pytest.approx(4.3),
            "at_startup": False,
        },
        "processes": [],
        "delayed": {
            "steps": 0,
            "total_s": 0,
            "longest_s": 0.0,
            "arrived": 0,
            "unknown": 4,
        },
        "sufferers": [],
        "lack": {"wanted_s": 0.0, "throttled_s": 0.0, "stopped_s": 0.0},
        "kernel_s": 0.0,
        "collection": None,
        "holder": None,
        "not_seen": None,
        "stack": [
            {"file": ANY, "line": 706, "function": "readinto", "own": False},
            {"file": ANY, "line": 73, "function": "get", "own": False},
            {"file": APP, "line": 42, "function": "fetch", "own": True},
            {"file": APP, "line": 45, "function": "handle", "own": True},
        ],
        "source": "return requests.get(URL)",
        "advice": ADVICE[Blocker.WAITING]._asdict()
        | {
            "edits": [
                {
                    "line": 42,
                    "column": 11,
                    "end_line": 42,
                    "end_column": 28,
                    "text": "await asyncio.to_thread(requests.get, URL)",
                }
            ],
            "assumes": [],
        },
    }
    assert (native_gil["class"], native_gil["kind"], native_gil["task"]) == (
        "native-gil",
        "reader",
        None,
    )
    assert native_gil["callback"] == "Feed.on_readable()"
    assert (python["class"], python["advice"]) == ("python", None)
    assert document["estimate"] == {
        "run_s": 6.1,
        "busy_s": 0.5,
        "lag_s": {"p50": 0.0, "p99": 0.01, "max": 0.3},
        "coarse": False,
        "range_s": None,
        "assumes": [],
    }
    assert [code["function"] for code in document["tasks"]] == [
        "handle",
        "Feed.on_readable",
        "price",
    ]
    assert document["never_awaited"] == [
        {"function": "audit", "file": APP, "line": 130, "count": 3}
    ]
    assert document["never_retrieved"] == [
        {"function": "send", "file": APP, "line": 70, "count": 2}
    ]
    assert [(of["ending"], of["tasks"]) for of in document["pending"]] == [
        ("pending", ["Task-11"]),
        ("cancelled at the end", ["Task-9", "Task-10"]),
    ]
    assert document["script"] is None


@pytest.mark.parametrize("builder", [samples.calm, samples.script, samples.killed, Builder])
def test_every_report_has_the_same_names(builder: Callable[[], Builder]) -> None:
    document = as_dict(report_of(builder()))
    assert document.keys() == as_dict(report_of(samples.bakery())).keys()
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_every_name_of_the_json_is_documented() -> None:
    documented = documents.__doc__ or ""
    for name, value in as_dict(report_of(samples.bakery())).items():
        assert re.search(rf"^{name}[ ,]|, {name} |; {name}:", documented, re.MULTILINE), name
        entries = value if isinstance(value, list) else [value]
        for entry in entries:
            if isinstance(entry, dict) and name != "unseen":
                missing = [key for key in entry if not re.search(rf"\b{key}\b", documented)]
                assert missing == [], name


def test_the_json_of_a_script() -> None:
    document = as_dict(report_of(samples.script()))
    assert document["loops"] == []
    assert document["script"] == {
        "watched_s": pytest.approx(2.5),
        "lines": [
            {
                "class": "waiting",
                "file": APP,
                "line": 3,
                "function": "<module>",
                "total_s": pytest.approx(1.5),
            },
            {
                "class": "python",
                "file": APP,
                "line": 5,
                "function": "<module>",
                "total_s": pytest.approx(1.0),
            },
        ],
    }


def test_a_class_that_is_not_known_is_null() -> None:
    document = as_dict(report_of(samples.killed()))
    assert [group["class"] for group in document["blocked"]] == ["waiting", "waiting", None]
    assert document["blocked"][0]["running"]
    assert document["dropped"] == 13
