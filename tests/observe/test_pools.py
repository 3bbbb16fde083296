"""What is told of pools, and what is advised."""

from __future__ import annotations

from typing import Any

import pytest

from fournil.observe.advice.pools import PoolFinding, find_pools
from fournil.observe.recording.live import snapshot
from fournil.observe.recording.model import Recording
from fournil.observe.recording.reading import read_buffer
from fournil.observe.report import render
from fournil.observe.report.document import as_dict
from fournil.observe.report.sections import lines_of
from fournil.observe.report.sheet import View
from fournil.record import kinds
from tests.observe import samples
from tests.observe.builder import META, PROJECT, Builder
from tests.observe.samples import report_of


def recording_of(builder: Builder) -> Recording:
    return snapshot(read_buffer(builder.build()))


REPORT = """\
Pools, with a call's mean times                     busy      calls     waited  travelled        ran
  ThreadPool 'a worker'  4 workers                  25 %         11     1.0 ms     200 µs     500 ms
              of them    1 did not end
              worth it   calls ran for 5.00 s in all and travelled for 2.0 ms

  ProcessPool 'a worker'  2 workers                0.3 %         20     100 ms      50 ms     1.0 ms
              of them    2 raised, 1 killed their worker
                         not worth it: calls ran for 19 ms in all and travelled for 950 ms
              → Calls travel for 50 ms and run for 1.0 ms: give each more to do, as 500 items a
                call, or call it in the loop.
              gain       up to 1.24 s
"""


def test_the_section_of_the_report() -> None:
    text = render.plain(lines_of(report_of(samples.pools()), View(100, PROJECT)))
    assert REPORT in text


def test_the_names_of_the_json() -> None:
    threads, processes = as_dict(report_of(samples.pools()))["pools"]
    assert processes == {
        "kind": "ProcessPool",
        "name": "a worker",
        "workers": 2,
        "open_s": pytest.approx(3.0),
        "busy_share": pytest.approx(0.019 / 6),
        "calls": 20,
        "done": 17,
        "raised": 2,
        "cancelled": 0,
        "abandoned": 0,
        "died": 1,
        "in_flight": 0,
        "waited_s": pytest.approx(1.9),
        "travelled_s": pytest.approx(0.95),
        "ran_s": pytest.approx(0.019),
        "longest_s": pytest.approx(0.002),
        "cpu_s": pytest.approx(0.02),
        "bytes_out": 0,
        "bytes_back": 0,
        "most_at_once": 1,
        "worth_it": False,
        "advice": {
            "to": "larger",
            "text": processes["advice"]["text"],
            "gain_s": pytest.approx(0.9 * (1.4 - 0.019)),
        },
    }
    assert (threads["in_flight"], threads["worth_it"], threads["most_at_once"]) == (1, True, 2)
    assert threads["advice"] is None


def test_the_calls_that_are_left() -> None:
    recording = recording_of(samples.pools())
    first, last = recording.calls[0], recording.calls[-1]
    assert first[:5] == pytest.approx((1.1, 1.5, 1.53, 1.531, 1.55))
    assert recording.sites[first.site].function == "price"
    assert (first.worker, first.state) == ("a", kinds.CALL_DONE)
    assert (last.sent_s, last.worker, last.pool) == (None, "t 1", 2)


def test_calls_that_were_overwritten_are_counted() -> None:
    builder = Builder(calls=8)
    pool = builder.pool("ThreadPool", 1, opened=0.5, calls=20, done=20)
    for number in range(20):
        builder.call(pool, 1.0 + number, 0, 1.1 + number, 1.2 + number, 1.3 + number)
    report = report_of(builder)
    assert len(report.recording.calls) == 8
    assert report.recording.unseen.calls == 12
    assert any(note.startswith("The 12 oldest calls of pools") for note in report.notes)


def judged(
    kind: str, workers: int, at_once: int, cores: int = 2, name: str = "a worker", **totals: float
) -> PoolFinding:
    """Return the finding of a pool with 40 calls, of which so many ran at a time for 10 s."""
    builder = Builder(meta=META | {"cores": cores}).end(12.0)
    fields: dict[str, Any] = {"calls": 40, "done": 40, "ran": 40, "longest": 0.5} | totals
    pool = builder.pool(kind, workers, name=name, opened=0.5, closed=11.0, **fields)
    length = 10.0 * at_once / 40
    for number in range(40):
        at = 1.0 + number // at_once * length
        builder.call(pool, 1.0, 0, at, at + length, at + length)
    (finding,) = find_pools(recording_of(builder))
    return finding


@pytest.mark.parametrize(
    ("finding", "to", "worth_it"),
    [
        (judged("ProcessPool", 2, 2, inside=1.0, out=9.0), "larger", False),
        (judged("ProcessPool", 2, 2, inside=1.0, out=9.0, bytes_out=10**9), "share", False),
        (judged("ProcessPool", 2, 2, inside=19.0, out=0.1, cpu=1.0), "thread", True),
        (judged("ProcessPool", 2, 2, inside=19.0, out=0.1, cpu=19.0), None, True),
        (judged("ProcessPool", 2, 2, 8, inside=19.0, waited=200.0, cpu=19.0), "more", True),
        (judged("ProcessPool", 8, 2, 8, inside=19.0, cpu=19.0), "fewer", True),
        (judged("InterpreterPool", 2, 2, inside=19.0, out=0.1, cpu=1.0), "thread", True),
        (judged("InterpreterPool", 4, 4, 4, inside=39.0, cpu=9.9), None, True),
        (judged("InterpreterPool", 2, 2, inside=19.0, waited=200.0, cpu=0.3 * 19), None, True),
        (judged("InterpreterPool", 8, 2, 8, inside=19.0, cpu=19.0), "fewer", True),
        (judged("ThreadPool", 4, 4, inside=39.0, cpu=9.9), "process", True),
        (judged("ThreadPool", 4, 4, inside=39.0, cpu=19.9), None, True),
        (judged("ThreadPool", 4, 4, 1, inside=39.0, cpu=9.9), None, True),
        (judged("ThreadPool", 4, 4, inside=39.0, waited=400.0, cpu=0.1), "more", True),
        (judged("ThreadPool", 32, 4, inside=39.0, cpu=0.1), None, True),
        (judged("ThreadPoolExecutor", 4, 4, inside=39.0, cpu=9.9), "process", True),
        (judged("ThreadPoolExecutor", 8, 2, inside=19.0, cpu=0.1), None, True),
        (judged("ThreadPoolExecutor", 2, 2, inside=0.5, out=3.0, cpu=0.1), None, False),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_advice(finding: PoolFinding, to: str | None, worth_it: bool) -> None:
    assert (finding.advice and finding.advice.to) == to
    assert finding.worth_it is worth_it


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("ThreadPool", "crawler", "with `workers=32` more run"),
        ("ThreadPool", "fournil.to_thread", "in a `ThreadPool(workers=32)` more run"),
        (
            "ThreadPoolExecutor",
            "asyncio",
            "after `loop.set_default_executor(ThreadPoolExecutor(32))` more run",
        ),
    ],
)
def test_more_workers_as_each_pool_gets_them(kind: str, name: str, said: str) -> None:
    finding = judged(kind, 4, 4, name=name, inside=39.0, waited=400.0, cpu=0.1)
    assert finding.advice is not None
    assert said in finding.advice.text


def test_a_gain_is_what_better_fed_workers_take_less() -> None:
    finding = judged("ProcessPool", 2, 2, inside=1.0, out=18.0, back=1.0)
    assert finding.use.active_s == pytest.approx(10.0)
    assert finding.advice is not None
    assert finding.advice.gain_s == pytest.approx(0.9 * (10.0 - 1.0 / 2))


def test_a_pool_that_was_never_used_is_not_told() -> None:
    builder = Builder()
    builder.pool("ThreadPool", 4, opened=1.0)
    assert find_pools(recording_of(builder)) == []


def test_a_pool_whose_calls_never_ran() -> None:
    builder = Builder()
    builder.pool("ThreadPool", 4, opened=1.0, calls=3, cancelled=2)
    (finding,) = find_pools(recording_of(builder))
    assert (finding.worth_it, finding.advice, finding.pool.in_flight) == (None, None, 1)
