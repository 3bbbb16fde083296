"""Reports as text, with and without colours."""

from __future__ import annotations

import errno
import io
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.console import Console
from rich.text import Text

from fournil.evidence.classify import Blocker
from fournil.observe.recording.live import snapshot
from fournil.observe.recording.reading import read_buffer
from fournil.observe.report import render
from fournil.observe.report.document import as_dict
from fournil.observe.report.findings import find
from fournil.observe.report.page import Role, Span, paragraph
from fournil.observe.report.publish import print_report
from fournil.observe.report.sections import lines_of
from fournil.observe.report.sheet import View
from fournil.record import kinds
from tests.observe import samples
from tests.observe.builder import APP, PROJECT, Builder
from tests.observe.samples import SOURCE, report_of


def text_of(builder: Builder, width: int = 100, directory: str = PROJECT) -> str:
    view = View(width, directory, lambda frame: SOURCE.get(frame.line, ""))
    return render.plain(lines_of(report_of(builder), view))


BAKERY = """
fournil  app.py  ran 10.0 s on CPython 3.11.7, 11 tasks
8 steps blocked the loop for 4.52 s, 46 % of the 9.90 s that it ran

Loop                                                busy      steps    lag p50    lag p99    lag max
  loop 1                                            47 %     12,345      16 µs     969 ms     1.01 s

Blocked for 50 ms or longer                                              steps      total    longest
  waiting     app.py:42  fetch                                               4     3.98 s     1.01 s
              return requests.get(URL)
              inside     socket.py:706  readinto
              called by  app.py:45  handle
              task       Task-2 (handle) and 3 others, started by Task-1 (main)
              when       from 1.00 s to 4.30 s
              → `await asyncio.to_thread(...)`: the run would take 6.1 s.

  python      app.py:61  price                                               3     240 ms      90 ms
              total += x * x
              task       price-0 (price) and 2 others, started by Task-2 (handle)
              when       from 5.40 s to 5.60 s

  native-gil  app.py:152  Feed.parse                                         1     300 ms     300 ms
              re.findall(PATTERN, text)
              called by  app.py:151  Feed.on_readable
              reader     Feed.on_readable(), scheduled by Task-1 (main)
              when       at 5.70 s
              delayed    nobody: nothing else was ready

Estimate                                                   run time       busy    lag p99    lag max
  as it is                                                   10.0 s     4.70 s     969 ms     1.01 s
  with this advice                                           6.10 s     500 ms      10 ms     300 ms

Took most of the loop                                       of loop      total      steps    longest
  handle, 4 tasks  app.py:40                                   40 %     3.98 s         16     1.01 s
  Feed.on_readable()  app.py:150                                3 %     300 ms          1        0 s
  price, 3 tasks  app.py:60                                     2 %     240 ms          6      90 ms

Loose ends
  never awaited            audit  app.py:130                                            3 coroutines
  never retrieved          send  app.py:70                                              2 exceptions
  pending at the end       send  app.py:70  Task-11                                           1 task
  cancelled at the end     poll  app.py:12  Task-9, Task-10                                  2 tasks
  cancelled at the end: still pending when the main task of the loop had ended

8 steps blocked the loop for 4.52 s, 46 % of the 9.90 s that it ran
  waiting     app.py:42  fetch                                                    4 steps     3.98 s
              → `await asyncio.to_thread(...)`: the run would take 6.1 s.
  python      app.py:61  price                                                    3 steps     240 ms
  native-gil  app.py:152  Feed.parse                                               1 step     300 ms

"""

CALM = """
fournil  app.py  ran 10.0 s on CPython 3.11.7, 1 task
Nothing blocked the loop: no step ran for 50 ms or longer

Loop                                                busy      steps    lag p50    lag p99    lag max
  loop 1                                            10 %        300        0 s     1.8 ms     2.0 ms

Took most of the loop                                       of loop      total      steps    longest
  Task-1 (main)  app.py:88                                     10 %     1.00 s        300        0 s

"""

SCRIPT = """
fournil  app.py  ran 10.0 s on CPython 3.11.7
No event loop ran

Lines that took 50 ms or longer                                                     total      share
  waiting     app.py:3  <module>                                                   1.50 s       15 %
              time.sleep(1.5)
  python      app.py:5  <module>                                                   1.00 s       10 %

"""

KILLED = """
fournil  app.py  ran 9.00 s on CPython 3.11.7, 1 task
3 steps blocked the loops for 2.46 s, 19 % of the 13.0 s that they ran

Loop                                                busy      steps    lag p50    lag p99    lag max
  loop 1                                            62 %          1        0 s     2.42 s     2.50 s
  loop 2 in worker-1                                40 %          1        0 s        0 s        0 s

Blocked for 50 ms or longer                                              steps      total    longest
  waiting     app.py:42  fetch                                               1     2.00 s     2.00 s
              return requests.get(URL)
              inside     socket.py:706  readinto
              called by  app.py:45  handle
              task       Task-1 (poll)
              when       at 6.50 s
                         it never ended
              → `await asyncio.to_thread(...)`: the run would take 6.1 s.
              gain       3.90 s: run 6.10 s, lag p99 10 ms

  waiting     app.py:7  handle                                               1     400 ms     400 ms
              task       Task-1 (poll)
              when       at 2.00 s
              GIL        waited 400 ms for it: another thread held it
              → `await asyncio.to_thread(...)`: the run would take 6.1 s.
              gain       3.90 s: run 6.10 s, lag p99 10 ms

  unknown     app.py:12  poll                                                1      60 ms      60 ms
              task       Task-1 (poll)
              when       at 3.00 s
              not seen   it ended before the watch could look

Estimate                                                   run time       busy    lag p99    lag max
  as it is                                                   9.00 s     7.00 s     2.42 s     2.50 s
  with this advice                                           6.10 s     500 ms      10 ms     300 ms

Took most of the loops                                     of loops      total      steps    longest
  poll, 2 tasks  app.py:12                                      8 %     1.00 s          4        0 s

Loose ends
  pending when killed      poll  app.py:12  Task-1                                            1 task

· The program was killed by SIGKILL; the recording's last sign of life is at 9.00 s.
· 1 blocked step ended before the watch could look.
· The program took SIGRTMIN+4 from the watch, which from then on read the stacks of running code
  while they changed: a few lines may be others.
· 1 request for a stack got no answer in time: the machine was busy, or code in C ran long, and a
  few lines may be others.
· The 13 oldest events were overwritten: totals are whole, estimates rest on what is left. A larger
  recording holds more: `--size` of `fournil run`, `size` of a Recorder.
· 1 more blocked step counted and not shown: the ring of samples had no room.
· 1,234 tasks found no room: known by their code, not by name.
· 2 forked children of the program were not recorded.

3 steps blocked the loops for 2.46 s, 19 % of the 13.0 s that they ran
  waiting     app.py:42  fetch                                                     1 step     2.00 s
              → `await asyncio.to_thread(...)`: the run would take 6.1 s.
  waiting     app.py:7  handle                                                     1 step     400 ms
  unknown     app.py:12  poll                                                      1 step      60 ms

"""


@pytest.mark.parametrize(
    ("builder", "expected"),
    [
        (samples.bakery, BAKERY),
        (samples.calm, CALM),
        (samples.script, SCRIPT),
        (samples.killed, KILLED),
    ],
)
def test_the_text_of_a_report(builder: Callable[[], Builder], expected: str) -> None:
    assert text_of(builder()).splitlines() == expected.splitlines()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            errno.ENOENT,
            "it has to read about threads in /proc, and cannot (No such file or directory)",
        ),
        (errno.EMFILE, "it has to read about threads in /proc, and cannot (Too many open files)"),
        (
            errno.EAGAIN | kinds.WATCH_NO_THREADS,
            "it got no thread of its own (Resource temporarily unavailable)",
        ),
    ],
)
def test_why_the_watch_could_not_look(error: int, reason: str) -> None:
    builder = Builder(watch_error=error)
    loop = builder.loop(blocked=1)
    builder.blocked(1.0, 2.0, builder.task(builder.site("main", APP, 1)), thread=loop)
    text = " ".join(text_of(builder).split())
    assert f"· The watch could not look: {reason}." in text
    assert "ended before the watch could look" not in text


def test_eighty_columns_are_enough() -> None:
    for builder in (samples.bakery, samples.calm, samples.script, samples.killed):
        lines = text_of(builder(), width=80).splitlines()
        assert max(map(len, lines)) <= 80
        assert any("app.py" in line for line in lines)


def test_a_wide_terminal_does_not_tear_the_report_apart() -> None:
    assert text_of(samples.bakery(), width=250) == text_of(samples.bakery(), width=100)


def test_numbers_and_code_are_not_torn_apart() -> None:
    text = "the loop was late for 912 ms, so `await asyncio.to_thread(function, ...)` or 5 % less"
    for width in range(60, 80):
        lines = ["".join(span.text for span in line) for line in
                 paragraph(text, width, 2, Role.PLAIN, Span("-> "))]  # fmt: skip
        assert any("912 ms" in line for line in lines)
        assert any("`await asyncio.to_thread(function, ...)`" in line for line in lines)
        assert any("5 %" in line for line in lines)
        assert max(map(len, lines)) <= width


def test_paths_outside_the_working_directory_are_shown_in_full() -> None:
    assert f"{APP}:42  fetch" in text_of(samples.bakery(), directory="/elsewhere")


@pytest.mark.parametrize("width", [72, 80, 100])
def test_a_long_path_is_not_cut(width: int) -> None:
    builder = Builder()
    builder.loop(blocked=1)
    path = f"/srv/{'very_long_name/' * 5}worker.py"
    builder.look(1.0, 2.0, 1.0, 0, [(path, 7, "run")])
    builder.blocked(1.0, 2.0, 1)
    lines = [line.split() for line in text_of(builder, width).splitlines()]
    place = lines.index(["waiting", f"{path}:7", "run"])
    assert lines[place + 1] == ["1", "1.00", "s", "1.00", "s"]


def test_names_cannot_disturb_the_terminal() -> None:
    builder = Builder()
    site = builder.site("evil\x1b[2J", "/tmp/\x07\udcff.py", 3)
    task = builder.task(site, name="a\nb\r\x1b]0;title\x07")
    builder.loop(blocked=1)
    builder.blocked(1.0, 2.0, task)
    text = text_of(builder)
    assert all(line.isprintable() for line in text.splitlines())
    assert "a\\nb\\r\\x1b]0;title\\x07 (evil\\x1b[2J)" in text
    assert "/tmp/\\x07\\udcff.py:3" in text


def test_a_program_that_recorded_nothing_still_has_a_report() -> None:
    text = text_of(Builder(meta=None))
    assert text == "\nfournil  process 4000000  ran 10.0 s\nNo event loop ran\n\n"


def test_a_script_without_slow_lines_says_so() -> None:
    builder = samples.script()
    builder.header["threshold_ticks"] = 10**12
    assert "No line took long: none ran for 6 min 40 s or longer" in text_of(builder)


def test_a_running_program_is_shown_as_running() -> None:
    raw = read_buffer(samples.killed().build())
    alive = replace(raw, alive=True)
    report = find(snapshot(alive), samples.Adviser({}))
    text = render.plain(lines_of(report, View()))
    assert "it still runs" in text
    assert "pending now" in text
    assert "The program still runs; this is what it did in its first 9.00 s." in text


@pytest.mark.parametrize(
    ("closed", "end", "code", "told"),
    [
        (True, 0, 0, None),
        (True, kinds.END_EXITED, 0, None),
        (True, kinds.END_EXITED, 3, "The program ended with status 3."),
        (True, kinds.END_KILLED, 2, "The program was killed by SIGINT."),
        (False, 0, 0, "The program was killed, or ended by os._exit or exec; the recording's last"),
        (False, kinds.END_EXITED, 0, "The program ended by os._exit(0), or by exit() in C code;"),
        (False, kinds.END_KILLED, 11, "The program was killed by SIGSEGV; the recording's last"),
        (
            False,
            kinds.END_REPLACED,
            0,
            "At 9.00 s the program was replaced by another one (exec), which was not recorded.",
        ),
        (
            False,
            kinds.END_REPLACED | kinds.END_EXITED,
            5,
            "by another one (exec), which was not recorded and ended with status 5.",
        ),
        (
            False,
            kinds.END_REPLACED | kinds.END_KILLED,
            9,
            "by another one (exec), which was not recorded and was killed by SIGKILL.",
        ),
        (False, 64, 1, "The program was killed, or ended by os._exit or exec; the recording's"),
    ],
)
def test_how_the_program_ended(closed: bool, end: int, code: int, told: str | None) -> None:
    builder = Builder(end=end, end_code=code).end(9.0, closed=closed)
    said = [note for note in report_of(builder).notes if "The program" in note or "At 9" in note]
    if told is None:
        assert said == []
    else:
        (note,) = said
        assert told in note


@pytest.mark.parametrize(
    ("end", "ending"),
    [
        (0, "pending at the end"),
        (kinds.END_KILLED, "pending when killed"),
        (kinds.END_EXITED, "pending at the end"),
        (kinds.END_EXITED | kinds.END_REPLACED, "pending at the exec"),
        (kinds.END_KILLED | kinds.END_REPLACED, "pending at the exec"),
    ],
)
def test_tasks_that_the_end_left_pending(end: int, ending: str) -> None:
    builder = Builder(end=end, end_code=9).end(9.0, closed=False)
    builder.task(builder.site("poll"))
    assert ending in text_of(builder)


def test_of_very_many_lines_the_heaviest_are_shown_and_the_rest_is_counted() -> None:
    builder = Builder()
    builder.loop(blocked=30)
    for number in range(30):
        begin, end = float(number), number + 0.9 - number / 100
        builder.look(begin, end, begin, 0, [(APP, 100 + number, f"f{number}")])
        builder.blocked(begin, end, 1)
        builder.task(builder.site(f"task_{number}"))
    text = text_of(builder)
    assert "app.py:119  f19" in text
    assert "f20" not in text
    assert "and 10 lines more, with less each" in text
    assert "and 18 lines more" in text
    assert len(as_dict(report_of(builder))["blocked"]) == 30


def test_the_coloured_form_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    lines = lines_of(report_of(samples.bakery()), View(100, PROJECT))
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=100, color_system="standard")
    render.write(lines, file, console)
    coloured = file.getvalue()
    assert "\x1b[" in coloured
    assert Text.from_ansi(coloured).plain.rstrip() == render.plain(lines).rstrip()


class Terminal(io.StringIO):
    """A file that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_colours_and_another_file_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    report = report_of(samples.calm())
    terminal, file = Terminal(), io.StringIO()
    print_report(report, terminal)
    print_report(report, file)
    assert "\x1b[" in terminal.getvalue()
    assert "\x1b[" not in file.getvalue()


@pytest.mark.parametrize(
    ("columns", "width"), [("80", 80), ("40", 72), ("300", 100), ("", 100), ("wide", 100)]
)
def test_columns_of_a_file(monkeypatch: pytest.MonkeyPatch, columns: str, width: int) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    file = io.StringIO()
    print_report(report_of(samples.bakery()), file)
    (loops,) = [line for line in file.getvalue().splitlines() if line.startswith("Loop ")]
    assert len(loops) == width


def test_a_log_that_shows_colours_gets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "90")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    file = io.StringIO()
    print_report(report_of(samples.bakery()), file)
    text = Text.from_ansi(file.getvalue()).plain
    assert "\x1b[" in file.getvalue()
    assert max(map(len, text.splitlines())) == 90


def test_rich_is_not_needed_without_a_terminal() -> None:
    code = (
        "import io, sys\n"
        "from fournil.observe.report import publish\n"
        "from fournil.observe.report.sections import lines_of\n"
        "assert not any(name.startswith('rich') for name in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_file_takes_the_report_in_its_own_encoding(encoding: str) -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    print_report(report_of(samples.bakery()), file)
    file.flush()
    text = raw.getvalue().decode(encoding)
    assert ("->" in text) == (encoding != "utf-8")
    assert "app.py:42" in text


def test_no_class_has_the_colour_of_the_advice_or_of_a_failure() -> None:
    for blocker in Blocker:
        colour = render.STYLES[Role(blocker.value)].split()[-1]
        assert colour.removeprefix("bright_") not in {"green", "red"}
