"""Recordings of programs, as they are read in the tests of reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fournil.evidence.classify import Blocker
from fournil.observe.advice.advisor import Advice
from fournil.observe.advice.edits import Edit
from fournil.observe.advice.headroom import Headroom
from fournil.observe.recording.lag import Lag
from fournil.observe.recording.live import snapshot
from fournil.observe.recording.model import BlockedGroup, Recording
from fournil.observe.recording.reading import read_buffer
from fournil.observe.replay.whatif import Outcome
from fournil.observe.report.findings import Report, find
from fournil.record import kinds
from fournil.record.kinds import Kind
from tests.observe.builder import (
    APP,
    HELD,
    OFF,
    PACKAGES,
    STDLIB,
    Builder,
    site_subject,
)

FETCH = (
    (f"{STDLIB}/socket.py", 706, "readinto"),
    (f"{PACKAGES}/requests/api.py", 73, "get"),
    (APP, 42, "fetch"),
    (APP, 45, "handle"),
)
PARSE = ((APP, 152, "Feed.parse"), (APP, 151, "Feed.on_readable"))


def bakery() -> Builder:
    """Four handlers wait, three tasks compute, and a reader runs C code that keeps the GIL."""
    builder = Builder()
    main = builder.site("main", APP, 88, tasks=1)
    handle = builder.site("handle", APP, 40, tasks=4, ended=4, steps=16, busy=3.98, longest=1.01)
    price = builder.site("price", APP, 60, tasks=3, ended=3, steps=6, busy=0.24, longest=0.09)
    poll = builder.site("poll", APP, 12, tasks=2, ended=2)
    feed = builder.site("Feed.on_readable", APP, 150, flags=kinds.SITE_CALLBACK, steps=1, busy=0.3)
    builder.site("audit", APP, 130, never_awaited=3)
    send = builder.site("send", APP, 70, never_retrieved=2)

    root = builder.task(main, state=kinds.TASK_FINISHED, last=9.9, steps=10, busy=0.02)
    handlers = [
        builder.task(handle, parent=root, state=kinds.TASK_FINISHED, last=6.0, busy=1.0)
        for _ in range(4)
    ]
    pricers = [
        builder.task(
            price, parent=handlers[0], name=f"price-{i}", state=kinds.TASK_FINISHED, last=8.0
        )
        for i in range(3)
    ]
    for _ in range(2):
        builder.task(poll, parent=root, state=kinds.TASK_CANCELLED, last=9.95)
    builder.task(send, parent=root)

    builder.loop(
        ran=9.9, idle=5.2, steps=12_345, polls=5_000, busy=4.6, longest=1.01, blocked=8,
        turns=[1.01, 1.0, 0.99, 0.98, 0.09, 0.08, 0.07, 0.3] + [0.0001] * 5_000,
    )  # fmt: skip
    begin = 1.0
    for number, task in enumerate(handlers):
        length = 1.01 - number / 100
        builder.look(begin, begin + 0.5, begin, OFF, FETCH)
        builder.look(begin, begin + length, begin + 0.5, OFF, FETCH)
        builder.blocked(begin, begin + length, task)
        begin += 1.1
    for number, task in enumerate(pricers):
        length = 0.09 - number / 100
        builder.look(begin, begin + length, begin, HELD, [(APP, 61, "price")], ask=number + 1)
        builder.answer(number + 1, 0.005)
        builder.blocked(begin, begin + length, task)
        begin += 0.1
    subject = site_subject(feed)
    builder.event(Kind.READER, begin, 0.3, subject=subject, waker=root)
    builder.look(begin, begin + 0.3, begin, HELD, PARSE, ask=9, step_kind=Kind.READER)
    builder.answer(9, 0.3)
    builder.blocked(begin, begin + 0.3, subject, step_kind=Kind.READER)
    return builder


def calm() -> Builder:
    """Nothing blocks."""
    builder = Builder()
    main = builder.site("main", APP, 88, tasks=1, ended=1, steps=300, busy=1.0)
    builder.task(main, state=kinds.TASK_FINISHED, last=9.9, steps=300, busy=1.0)
    builder.loop(turns=[0.002] * 500, ran=9.9, idle=8.9, steps=300, longest=0.002)
    return builder


def script() -> Builder:
    """A program without a loop waits on one line and computes on another."""
    builder = Builder()
    thread = builder.loop(state=kinds.THREAD_SCRIPT, number=0, steps=0)
    for line, evidence, begin, end in ((3, OFF, 1.0, 2.5), (5, HELD, 3.0, 4.0)):
        frames = [(APP, line, "<module>")]
        builder.look(
            0.1, end, begin, evidence, frames,
            in_loop=False, thread=thread, step_kind=Kind.SCRIPT,
        )  # fmt: skip
    return builder


def killed() -> Builder:
    """A program with two loops was killed while one of them was stuck."""
    builder = Builder(
        events=8,
        forks=2,
        watch_signal_lost=38,
        tasks_dropped=1_234,
        watch_unanswered=1,
        end=kinds.END_KILLED,
        end_code=9,
    ).end(9.0, closed=False)
    poll = builder.site("poll", APP, 12, tasks=2, steps=4, busy=1.0)
    task = builder.task(poll, steps=4, busy=1.0)
    stuck = builder.loop(ran=5.0, running_since=6.0, idle=3.0, begin=6.5, subject=task, kind=1)
    other = builder.loop(ran=5.0, idle=3.0, name="worker-1", blocked=3)
    builder.look(6.5, 8.5, 6.5, OFF, FETCH, thread=stuck)
    builder.look(2.0, 2.4, 2.0, kinds.SAW_GIL_WAIT, [(APP, 7, "handle")], thread=other)
    builder.blocked(2.0, 2.4, task, thread=other)
    builder.blocked(3.0, 3.06, task, thread=other)
    for number in range(20):
        builder.event(Kind.TASK, 1 + number / 100, 0.001)
    return builder


def pools() -> Builder:
    """Small calls go to processes, waits to threads, and one call never ends."""
    builder = calm()
    site = builder.site("price", APP, 60, flags=kinds.SITE_CALLBACK)
    small = builder.pool(
        "ProcessPool", 2, opened=1.0, closed=4.0, calls=20, done=17, raised=2, died=1, ran=19,
        waited=1.9, out=0.57, inside=0.019, back=0.38, longest=0.002, cpu=0.02,
    )  # fmt: skip
    waits = builder.pool(
        "ThreadPool", 4, opened=5.0, calls=11, done=10, ran=10, waited=0.01, out=0.001, inside=5.0,
        back=0.001, longest=0.5, cpu=0.01,
    )  # fmt: skip
    for number in range(20):
        at = 1.5 + number / 20
        state = kinds.CALL_DIED if number == 5 else kinds.CALL_DONE
        builder.call(
            small, 1.1, at, at + 0.03, at + 0.031, at + 0.05, site=site, state=state, worker="a"
        )
    for number in range(10):
        at = 5.1 + number / 4
        builder.call(waits, at, 0, at + 0.001, at + 0.501, at + 0.502, worker=f"t {number % 2}")
    return builder


ADVICE = {
    Blocker.WAITING: Advice(
        to="thread",
        text="`await asyncio.to_thread(...)`: the run would take 6.1 s.",
        rule="http",
        file=APP,
        edits=(Edit(42, 11, 42, 28, "await asyncio.to_thread(requests.get, URL)"),),
        gain_s=3.9,
        run_s=6.1,
        busy_s=0.5,
        lag_s={"p50": 0.0, "p99": 0.01, "max": 0.3},
    ),
    Blocker.GC: Advice("code", "`gc.freeze()`.", "collector", APP, (), None, None, None, None),
}
SOURCE = {
    42: "    return requests.get(URL)\n",
    61: "total += x * x",
    152: "re.findall(PATTERN, text)",
    3: "time.sleep(1.5)",
}


class Adviser:
    """Gives the same advice on all blocked steps of a class, and one estimate."""

    def __init__(self, advice: Mapping[Blocker, Advice]) -> None:
        self._advice = advice

    def advise(self, group: BlockedGroup) -> Advice | None:
        return self._advice.get(group.blocker) if group.blocker else None

    def estimate(self, advised: Sequence[tuple[BlockedGroup, Advice]]) -> Outcome | None:
        return Outcome(6.1, 0.5, Lag(0.0, 0.01, 0.3))

    def headroom(self, advised: Sequence[tuple[BlockedGroup, Advice]]) -> Headroom | None:
        return None


def report_of(builder: Builder) -> Report:
    return find(snapshot(read_buffer(builder.build())), Adviser(ADVICE))


def empty() -> Recording:
    """Return a recording of nothing."""
    return snapshot(read_buffer(Builder().build()))


def texts(files: Mapping[str, str]) -> Callable[[str], str]:
    """Return what reads sources that are given here, by their paths."""
    return lambda file: files.get(file, "")
