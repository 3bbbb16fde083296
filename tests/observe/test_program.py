"""Several recordings read, and reported, as one program."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from fournil.evidence.classify import Blocker
from fournil.observe.recording.model import Meta
from fournil.observe.recording.program import load_program
from fournil.observe.report.document import as_dict
from fournil.observe.report.publish import load, print_report
from fournil.observe.report.titles import title_of
from tests.observe.builder import APP, META, Builder

STARTED_NS = 1_700_000_000_000_000_000
OFF = 0


def process(
    path: Path,
    pid: int,
    *,
    blocked: tuple[float, ...] = (),
    line: int = 7,
    also: int | None = None,
    file: str = APP,
    program: int = 7,
    **meta: Any,
) -> Path:
    """Write the recording of a process that blocked its loop, which began at its number."""
    told = {**META, **meta}
    builder = Builder(meta=told, pid=pid, program=program, started_unix_ns=STARTED_NS + pid * 10**9)
    if blocked:
        builder.loop(ran=9.0, idle=9.0 - sum(blocked), blocked=len(blocked))
        site = builder.site("work", APP, 5, tasks=1, steps=len(blocked), busy=sum(blocked))
        task = builder.task(site)
        for number, duration in enumerate(blocked):
            begin = float(number)
            since = begin
            # Lines that take turns are a loop's.
            for share, seen in ((0.1, also), (0.7, line), (0.2, also)) if also else ((1.0, line),):
                at = since + share * duration
                builder.look(begin, at, since, OFF, [(file, seen, "work")])
                since = at
            builder.blocked(begin, begin + duration, task)
    path.write_bytes(builder.end(9.0).build())
    return path


def program(folder: Path) -> Path:
    first = process(folder / "first", 1)
    process(folder / "a", 3, blocked=(0.5, 0.25), parent=1, process="Worker-2")
    process(folder / "b", 2, blocked=(0.125,), parent=1, process="Worker-1")
    process(folder / "c", 4, blocked=(0.25,), line=9, parent=1, argv=["python", "-m", "other"],
            main=None)  # fmt: skip
    process(folder / "of another program", 5, blocked=(0.5,), program=8)
    (folder / "mine").write_bytes(b"FOURNIL")
    (folder / "also mine").write_text("x")
    return first


def test_the_recordings_of_a_program(tmp_path: Path) -> None:
    first = program(tmp_path)
    for path in (first, tmp_path / "a"):
        assert [one.pid for one in load_program(str(path)).recordings] == [1, 2, 3, 4]


def test_recordings_and_notes_in_another_folder(tmp_path: Path) -> None:
    first = process(tmp_path / "first", 1)
    folder = tmp_path / "children"
    folder.mkdir()
    process(folder / "2", 2, blocked=(0.5,), parent=1)
    (folder / "x.unseen").write_text(json.dumps({"argv": ["sh", "-c", "python app.py"]}))
    for name, text in {"y": "", "z": "[]", "v": "{}", "w": '{"argv": 1}'}.items():
        (folder / f"{name}.unseen").write_text(text)
    found = load_program(str(first), str(folder))
    assert [one.pid for one in found.recordings] == [1, 2]
    assert found.unseen == [("sh", "-c", "python app.py")]


def test_a_recording_of_no_program_is_alone(tmp_path: Path) -> None:
    process(tmp_path / "other", 2, program=0)
    first = process(tmp_path / "first", 1, program=0)
    assert [one.pid for one in load_program(str(first)).recordings] == [1]


def test_lines_are_summed_over_processes(tmp_path: Path) -> None:
    told = as_dict(load(str(program(tmp_path))))
    seven, nine = told["blocked"]
    assert (seven["line"], seven["class"], seven["count"]) == (7, Blocker.WAITING, 3)
    assert (round(seven["total_s"], 3), round(seven["longest_s"], 3)) == (0.875, 0.5)
    assert [(of["pid"], of["steps"]) for of in seven["processes"]] == [(3, 2), (2, 1)]
    # Counted from the begin of the first process.
    assert {name: round(value) for name, value in seven["when"].items()} == {
        "first_s": 1,
        "last_s": 3,
        "at_startup": False,
    }
    assert (nine["line"], nine["count"]) == (9, 1)
    assert [of["pid"] for of in nine["processes"]] == [4]
    (hot,) = told["tasks"]
    assert (hot["function"], hot["steps"], hot["tasks"]) == ("work", 4, 3)
    assert round(hot["share"], 3) == round(1.125 / 27, 3)


def test_loose_ends_are_one_line_for_processes_alike(tmp_path: Path) -> None:
    for pid in (1, 2, 3):
        builder = Builder(pid=pid, program=7, meta={**META, "parent": 1} if pid > 1 else META)
        builder.loop(ran=9.0)
        builder.task(builder.site("poll", APP, 12, tasks=1), name=f"poll-{pid}")
        (tmp_path / str(pid)).write_bytes(builder.end(9.0).build())
    report = load(str(tmp_path / "1"))
    (pending,) = as_dict(report)["pending"]
    assert (pending["function"], pending["count"]) == ("poll", 3)
    assert sorted(pending["tasks"]) == ["poll-1", "poll-2", "poll-3"]
    out = io.StringIO()
    print_report(report, out)
    assert out.getvalue().count("pending at the end") == 1


def test_the_lines_of_a_loop_are_one_in_all_processes(tmp_path: Path) -> None:
    first = process(tmp_path / "first", 1)
    process(tmp_path / "a", 2, blocked=(0.5,), line=7, parent=1)
    process(tmp_path / "b", 3, blocked=(0.25,), line=8, parent=1)
    assert len(as_dict(load(str(first)))["blocked"]) == 2
    process(tmp_path / "c", 4, blocked=(0.25, 0.25), line=8, also=7, parent=1)
    (told,) = as_dict(load(str(first)))["blocked"]
    assert (told["line"], told["count"], round(told["total_s"], 3)) == (7, 4, 1.25)
    assert sorted((of["pid"], of["steps"]) for of in told["processes"]) == [(2, 1), (3, 1), (4, 2)]


def test_code_that_came_by_value_has_the_file_of_the_program(tmp_path: Path) -> None:
    main = tmp_path / "main.py"
    main.write_text("import time\n\ndef work(n):\n    time.sleep(n)\n\ndef other():\n    pass\n")
    came = tmp_path / "came"
    for line, place in ((4, str(main)), (7, "<dynamic-code>")):  # the last is another one's
        process(came, 1, blocked=(0.5,), line=line, file="<dynamic-code>", main=str(main))
        (told,) = as_dict(load(str(came)))["blocked"]
        assert (told["file"], told["line"], told["function"]) == (place, line, "work")


def test_processes_are_listed(tmp_path: Path) -> None:
    told = as_dict(load(str(program(tmp_path))))
    assert [(of["pid"], of["parent"], of["name"], of["title"]) for of in told["processes"]] == [
        (1, None, None, "app.py"),
        (2, 1, "Worker-1", "app.py"),
        (3, 1, "Worker-2", "app.py"),
        (4, 1, None, "-m other"),
    ]
    assert [len(of["loops"]) for of in told["processes"]] == [0, 1, 1, 1]


def test_the_text(tmp_path: Path) -> None:
    out = io.StringIO()
    print_report(load(str(program(tmp_path))), out)
    text = out.getvalue()
    assert "3 child processes" in text
    assert "4 steps blocked the loops for 1.12 s, 4 % of the 27.0 s that they ran" in text
    rows = [line.split() for line in text.partition("Processes")[2].splitlines()]
    assert rows[1] == ["app.py", "1", "no", "event", "loop"]
    assert rows[2][:3] == ["app.py", "2", "alike"]
    # Of those alike, one is much busier.
    assert rows[3][:2] == ["Worker-2", "3"]
    assert rows[4][:2] == ["Worker-1", "2"]
    assert rows[5][:3] == ["-m", "other", "4"]
    assert "in 2: 750 ms in 3, 125 ms in 2" in text


def test_forked_children_that_were_recorded_are_not_counted_as_not(tmp_path: Path) -> None:
    first = tmp_path / "first"
    first.write_bytes(Builder(meta=META, pid=1, forks=3, program=7).end(9.0).build())
    process(tmp_path / "2", 2, blocked=(0.5,), parent=1, forked=True)
    notes = load(str(first)).notes
    assert "2 forked children ran no event loop, or another program: not recorded." in notes
    process(tmp_path / "3", 3, blocked=(0.5,), parent=1, forked=True)
    process(tmp_path / "4", 4, blocked=(0.5,), parent=1, forked=True)
    assert not [note for note in load(str(first)).notes if "forked" in note]


@pytest.mark.parametrize(
    ("words", "title"),
    [
        ("app.py x", "app.py"),
        ("-W ignore app.py", "app.py"),
        ("-Werror app.py", "app.py"),
        ("-X dev -m shop", "-m shop"),
        ("-", "standard input"),
        ("-c pass", "-c"),
        ("-W", ""),
        ("", ""),
    ],
)
def test_how_a_program_is_called(words: str, title: str) -> None:
    assert title_of(Meta(argv=("python", *words.split()))) == title
