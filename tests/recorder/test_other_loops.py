"""A recorder says which loops it does not record, and records those of Fournil all the same."""

from __future__ import annotations

import asyncio
import asyncio.events
import io
import time
import warnings
from pathlib import Path

import pytest

import fournil
from fournil.observe.recording.live import snapshot
from fournil.observe.recording.reading import read_file
from fournil.observe.report.publish import load, print_report

ABOUT = "a loop of another kind runs while a fournil.Recorder is on"


def run_by_asyncio() -> None:
    # What it makes by itself may be Fournil's, under `fournil run`.
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(asyncio.sleep(0))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "recording"


def test_a_loop_that_begins_later(path: Path) -> None:
    with pytest.warns(RuntimeWarning, match=ABOUT) as warned, fournil.Recorder(path):  # noqa: PT031
        run_by_asyncio()
        run_by_asyncio()
    (warning,) = warned
    assert warning.filename == __file__
    assert "SelectorEventLoop" in str(warning.message)
    assert "fournil.run()" in str(warning.message)


def test_a_loop_that_runs_already(path: Path) -> None:
    async def main() -> None:
        with fournil.Recorder(path):
            await asyncio.to_thread(fournil.run, asyncio.sleep(0))

    with pytest.warns(RuntimeWarning, match=ABOUT) as warned:
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(main())
    assert warned[0].filename == __file__
    # A loop of Fournil's that is begun inside it is recorded.
    assert len(snapshot(read_file(str(path))).loops) == 1


def test_loops_of_fournil_alone(path: Path) -> None:
    with fournil.Recorder(path):
        fournil.run(asyncio.sleep(0))
    run_by_asyncio()


def test_where_warnings_are_errors_no_loop_fails_of_it(path: Path) -> None:
    recorder = fournil.Recorder(path)
    recorder.start()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run_by_asyncio()
        with pytest.raises(RuntimeWarning, match=ABOUT):
            recorder.stop()
    recorder.stop()


def test_what_others_put_there_meanwhile_stays(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = asyncio.events._set_running_loop
    with fournil.Recorder(path):
        ours = asyncio.events._set_running_loop

        def theirs(loop: asyncio.AbstractEventLoop | None) -> None:
            ours(loop)

        monkeypatch.setattr(asyncio.events, "_set_running_loop", theirs)
    assert asyncio.events._set_running_loop is theirs
    run_by_asyncio()
    monkeypatch.setattr(asyncio.events, "_set_running_loop", original)
    with fournil.Recorder(path):
        fournil.run(asyncio.sleep(0))
    assert asyncio.events._set_running_loop is original


@pytest.mark.filterwarnings(f"ignore:{ABOUT}:RuntimeWarning")
def test_the_report_says_it_too(path: Path) -> None:
    async def main() -> None:
        time.sleep(0.1)

    with fournil.Recorder(path):
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(main())
    out = io.StringIO()
    print_report(load(str(path)), out)
    assert "A loop of asyncio's own ran, which is not recorded" in out.getvalue()


@pytest.mark.filterwarnings(f"ignore:{ABOUT}:RuntimeWarning")
def test_the_report_says_it_of_a_loop_that_was_never_slow(path: Path) -> None:
    with fournil.Recorder(path, threshold=10):
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(asyncio.sleep(0))
    out = io.StringIO()
    print_report(load(str(path)), out)
    assert "A loop of another kind ran, which is not recorded" in out.getvalue()
    assert "No line took long" not in out.getvalue()
