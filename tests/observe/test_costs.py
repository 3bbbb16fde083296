"""What sending costs, how much there is to send, and the range of an estimate."""

from __future__ import annotations

import ast
import pickle
from dataclasses import replace
from textwrap import dedent

import pytest

from fournil.evidence.classify import Blocker
from fournil.observe.advice.advisor import Advice, Advisor
from fournil.observe.advice.costs import company_of, held_up_s
from fournil.observe.advice.machine import TYPICAL, Machine, measure
from fournil.observe.advice.program import Module, ends_at_a_moment, has_others_go_on
from fournil.observe.advice.sizes import Load, Sent, load_of
from fournil.observe.recording.blocked import group as group_blocked
from fournil.observe.recording.live import snapshot
from fournil.observe.recording.model import BlockedGroup, Pool, Recording
from fournil.observe.recording.reading import read_buffer
from fournil.observe.replay.whatif import Outcome
from fournil.record.kinds import Kind
from tests.observe.builder import APP, HELD, OFF, STDLIB, Builder, site_subject, ticks


def load(text: str) -> Load | None:
    """Return the load of the last expression of a program."""
    text = dedent(text)
    module = Module(text, ast.parse(text))
    last = module.tree.body[-1]
    assert isinstance(last, ast.Expr)
    return load_of(module, last.value)


@pytest.mark.parametrize(
    ("text", "size", "items"),
    [
        ("3", 0, 1),
        ("b'ab' * 100_000_000", 200_000_000, 1),
        ("N = 2\nn = N * 50\nx = bytes(n)\nx", 100, 1),
        ("[random() for _ in range(1_000)]", 0, 1_000),
        ("xs = [0.0] * 500\nsorted(xs)", 0, 500),
        ("import numpy as np\nnp.zeros((100, 10))", 8_000, 1),
        ("[{'a': i, 'b': [i]} for i in range(10)]", 0, 240),
        ("len(read())", 0, 1),
        ("x = read()\nx.count(b'a')", 0, 1),
        ("def f(n):\n    return sum(range(n))\nf(3)", 0, 1),
        ("range(10**9)", 0, 1),
    ],
)
def test_what_the_source_tells_of_sizes(text: str, size: float, items: float) -> None:
    found = load(text)
    assert found is not None
    assert found.size == size
    assert found.items == pytest.approx(items, abs=items * 0.5)


@pytest.mark.parametrize(
    "text", ["read()", "x = read()\nx", "x", "[0] * n", "self.rows", "2 ** f()"]
)
def test_what_the_source_does_not_tell(text: str) -> None:
    assert load(text) in {None, Load(0.0, 1.0)} if "**" in text else load(text) is None


def test_a_parameter_is_what_its_calls_give() -> None:
    text = """\
    async def job(n):
        return n
    async def main():
        await gather(*(job(n) for n in range(8)))
    """
    module = Module(dedent(text), ast.parse(dedent(text)))
    (returned,) = (node for node in ast.walk(module.tree) if isinstance(node, ast.Return))
    assert returned.value is not None
    assert load_of(module, returned.value) == Load(0.0, 1.0)


def test_a_machine_is_measured() -> None:
    found = measure()
    assert all(value is None or value >= 0 for value in found)
    assert found.start_s > found.start_on_loop_s > 0
    many, few = Sent(Load(items=1e6), Load()), Sent(Load(items=1e3), Load())
    assert found.on_loop(many) > found.on_loop(few)
    assert found.elsewhere(Sent(Load(size=1e9), Load())) > found.elsewhere(few)


def test_numbers_are_as_long_as_is_said() -> None:
    numbers = [number + 0.5 for number in range(10_000)]
    assert len(pickle.dumps(numbers, protocol=5)) == pytest.approx(9 * 10_000, rel=0.05)


PROGRAM = """\
import asyncio, socket, threading, time
blob = b"ab" * SIZE
def price(n):
    return sum(range(n))
async def handle(conn, rows):
    conn.recv(10)
    price(10**6)
    total(rows)
    blob.count(b"ba")
async def main():
    while time.monotonic() < end:
        await handle()
lock = asyncio.Lock()
async def careful(conn):
    async with lock:
        conn.recv(10)
"""


def recording(
    line: int,
    evidence: int,
    *,
    function: str = "handle",
    until: bool = False,
    seen: float = 1.0,
    ended: float = 2.0,
) -> Recording:
    """Return a recording of three tasks that block for 0.3 s each at a line of the program."""
    builder = Builder(events=256, samples=512).end(ended)
    builder.loop(ran=1.0, idle=0.05, turns=[0.9])
    main = builder.site("main", APP, 10) if until else builder.site("other", APP, 99)
    child = builder.site("handle", APP, 5)
    tasks = [builder.task(main)] + [builder.task(child) for _ in range(3)]
    builder.event(Kind.TASK, 1.0, 0.001, subject=tasks[0])
    for number, task in enumerate(tasks[1:]):
        begin = 1.001 + 0.3 * number
        fields = {"subject": task, "waker": tasks[0], "delay": 0.3 * number + 0.0005}
        builder.event(Kind.TASK, begin, 0.3, **fields)
        late, used = ticks(0.3 * number + 0.0005), round(0.3e9 * seen)
        builder.blocked(begin, begin + 0.3, task, delay=late, number=used)
        frames = [(APP, line, function)]
        since = begin + 0.29 * (1 - seen)
        wanted = ticks(since - begin)
        builder.look(begin, begin + 0.29, since, evidence, frames, ask=number + 1, delay=wanted)
        builder.answer(number + 1, 0.2 if evidence == HELD else 0.0)
    builder.event(Kind.TASK, 1.9011, 0.001, subject=tasks[0], waker=tasks[-1], delay=0.0001)
    return snapshot(read_buffer(builder.build()))


def estimated(
    line: int,
    evidence: int,
    *,
    size: int = 10,
    machine: Machine = TYPICAL,
    until: bool = False,
    seen: float = 1.0,
) -> tuple[BlockedGroup, Advice, Outcome | None]:
    found = recording(line, evidence, until=until, seen=seen)
    text = PROGRAM.replace("SIZE", str(size))
    advisor = Advisor(found, {APP: text}.get, lambda: machine)  # type: ignore[arg-type]
    (group,) = group_blocked(found.blocked)
    advice = advisor.advise(group)
    assert advice
    return group, advice, advisor.estimate([(group, advice)])


def test_a_server_may_answer_one_at_a_time() -> None:
    _, advice, outcome = estimated(6, OFF)
    assert advice.range_s is not None
    assert outcome is not None
    assert outcome.range_s == pytest.approx(advice.range_s)
    low, high = advice.range_s
    assert low < 1.4 < 2.0 < high
    assert advice.run_s == pytest.approx(1.4, abs=0.05)
    assert advice.assumes == ("what is waited for answers one at a time",)


def test_processes_start_first_and_a_core_may_be_busy() -> None:
    _, advice, _ = estimated(7, HELD, machine=TYPICAL._replace(start_s=0.2))
    assert advice.rule == "native-gil"
    assert advice.run_s == pytest.approx(1.1 + 0.2 + 0.6, abs=0.05)
    assert advice.range_s is not None
    assert advice.run_s is not None
    assert advice.range_s[1] > advice.run_s + 0.2
    assert "a core is busy" in advice.assumes
    assert advice.lag_s is not None
    assert advice.lag_s["max"] >= 0.01


def test_a_lock_lets_them_through_one_by_one() -> None:
    found = recording(16, OFF, function="careful")
    advisor = Advisor(found, {APP: PROGRAM}.get)  # type: ignore[arg-type]
    (group,) = group_blocked(found.blocked)
    advice = advisor.advise(group)
    assert advice
    assert advice.run_s == pytest.approx(2.0, abs=0.05)
    assert advice.assumes == ()


def test_what_goes_on_beside_the_loop_ends_the_run() -> None:
    found = recording(6, OFF, ended=4.0)
    for started, run_s in (("threading.Thread(target=price)", 4.0), ("price(3)", 3.4)):
        text = f"{PROGRAM}\n{started}\n"
        advisor = Advisor(found, {APP: text}.get)  # type: ignore[arg-type]
        (group,) = group_blocked(found.blocked)
        advice = advisor.advise(group)
        assert advice
        assert advice.run_s == pytest.approx(run_s, abs=0.05)


@pytest.mark.parametrize("number", [1, 5])
def test_one_timeout_ends_a_run_and_many_change_what_it_does(number: int) -> None:
    builder = Builder(events=256, samples=512).end(2.0)
    builder.loop(ran=1.0, idle=0.05, turns=[0.9])
    timeout = site_subject(builder.site("Timeout._on_timeout", f"{STDLIB}/asyncio/timeouts.py", 1))
    child = builder.site("handle", APP, 5)
    for place in range(3):
        task, begin = builder.task(child), 1.001 + 0.3 * place
        builder.event(Kind.TASK, begin, 0.3, subject=task, delay=0.3 * place)
        builder.blocked(begin, begin + 0.3, task)
        builder.look(begin, begin + 0.29, begin, OFF, [(APP, 6, "handle")], ask=place + 1)
        builder.answer(place + 1, 0.0)
    for place in range(number):
        builder.event(Kind.TIMER, 1.902 + place / 1000, 0.001, subject=timeout, delay=0.25)
    found = snapshot(read_buffer(builder.build()))
    advisor = Advisor(found, {APP: PROGRAM}.get)  # type: ignore[arg-type]
    (group,) = group_blocked(found.blocked)
    advice = advisor.advise(group)
    assert advice
    if number == 1:
        assert advice.run_s == pytest.approx(2.0 - 0.25, abs=0.01)
        assert advice.assumes == ("a timeout ends it at a moment, as it did",)
    else:
        assert (advice.run_s, advisor.estimate([(group, advice)])) == (None, None)


@pytest.mark.parametrize(
    ("started", "goes_on"),
    [
        ("threading.Thread(target=work).start()", True),
        ("threading.Thread(target=work, daemon=True).start()", False),
        ("threading.Thread(target=work, daemon=False).start()", True),
        ("subprocess.Popen(['sort'])", True),
        ("subprocess.run(['sort'])", False),
    ],
)
def test_what_goes_on(started: str, goes_on: bool) -> None:
    text = f"import subprocess, threading\n{started}\n"
    assert has_others_go_on(Module(text, ast.parse(text))) is goes_on


def test_a_thread_that_holds_the_gil_is_no_other_program() -> None:
    found = recording(7, HELD, seen=0.5)
    (group,) = group_blocked(found.blocked)
    without_s = 0.5 * group.steps[0].duration_s
    assert held_up_s(group.steps[0]) == 0.0
    held_up = replace(
        group, steps=tuple(replace(step, gil_wait_s=0.5 * without_s) for step in group.steps)
    )
    assert held_up_s(held_up.steps[0]) == pytest.approx(without_s, rel=0.05)
    assert company_of([group], 2, None).assumes == ("other programs want the cores as well",)
    assert company_of([held_up], 2, None).assumes == ("a core is busy",)


def test_cores_that_are_measured_to_be_busy_are_counted() -> None:
    _, quiet, _ = estimated(7, HELD, machine=TYPICAL._replace(others=0.0))
    _, busy, _ = estimated(7, HELD, machine=TYPICAL._replace(others=1.0))
    assert quiet.run_s is not None
    assert busy.run_s is not None
    assert busy.run_s > quiet.run_s + 0.1
    assert "all cores are busy" in busy.assumes


def test_a_pool_that_had_started_starts_no_more() -> None:
    found = recording(7, HELD)
    machine = TYPICAL._replace(start_s=0.2, start_on_loop_s=0.15)
    pool = Pool(1, "ProcessPool", "fournil.to_process", 2, 1.0, False, *[1] * 15)
    texts = {APP: PROGRAM.replace("SIZE", "10")}
    runs = []
    for pools in ((), (pool,)):
        advisor = Advisor(replace(found, pools=pools), texts.get, lambda: machine)  # type: ignore[arg-type]
        (group,) = group_blocked(found.blocked)
        advice = advisor.advise(group)
        assert advice
        assert advice.run_s is not None
        assert advice.lag_s is not None
        runs.append((advice.run_s, advice.lag_s["max"]))
    (first, lag), (again, no_lag) = runs
    assert first == pytest.approx(again + 0.2, abs=0.02)
    assert lag == pytest.approx(0.15, abs=0.02)
    assert 0.0 < no_lag < 0.01


def test_steps_that_the_watch_did_not_see_are_as_their_like() -> None:
    found = recording(6, OFF)
    unseen = replace(found.blocked[-1], blocker=None, frames=())
    found = replace(found, blocked=(*found.blocked[:-1], unseen))
    seen, other = sorted(group_blocked(found.blocked), key=lambda group: group.blocker is None)
    advisor = Advisor(found, {APP: PROGRAM}.get)  # type: ignore[arg-type]
    advice = advisor.advise(seen)
    assert advice
    assert advisor.advise(other) is None
    outcome = advisor.estimate([(seen, advice)])
    assert outcome
    assert outcome.run_s == pytest.approx(1.4, abs=0.05)


def test_what_is_sent_and_not_known_makes_a_range() -> None:
    _, known, _ = estimated(7, HELD)
    _, unknown, _ = estimated(8, HELD)
    assert "much is sent" in unknown.assumes
    assert known.range_s is not None
    assert unknown.range_s is not None
    assert unknown.range_s[1] > known.range_s[1] + 0.1


def test_what_costs_more_to_send_than_it_takes_is_not_advised() -> None:
    _, small, _ = estimated(9, HELD, size=1000)
    assert small.edits
    _, large, outcome = estimated(9, HELD, size=100_000_000, machine=Machine(copy_s=2e-9))
    assert large.edits == ()
    assert large.gain_s is None
    assert "About 200 MB are to be sent" in large.text
    assert outcome is None


def test_other_programs_that_want_the_cores_are_seen_and_told() -> None:
    found = recording(7, HELD, seen=2 / 3)
    groups = group_blocked(found.blocked)
    assert groups[0].steps[0].cpu_share == pytest.approx(2 / 3, abs=0.01)
    company = company_of(groups, 2, None)
    assert company.rivals[0].number == pytest.approx(2.0, abs=0.05)
    assert company.assumes == ("other programs want the cores as well",)
    _, alone, _ = estimated(7, HELD)
    _, beside, _ = estimated(7, HELD, seen=2 / 3)
    assert alone.run_s is not None
    assert beside.run_s is not None
    assert beside.run_s > alone.run_s + 0.05


def test_a_run_that_ends_at_a_moment_is_no_shorter() -> None:
    _, advice, _ = estimated(6, OFF, until=True)
    assert advice.gain_s == pytest.approx(0.0, abs=0.01)
    assert advice.assumes == ("`main` ends it at a moment, as it did",)


@pytest.mark.parametrize(
    ("test", "ends"),
    [
        ("time.monotonic() < end", True),
        ("asyncio.get_running_loop().time() < end", True),
        ("n < 3", False),
        ("True", False),
    ],
)
def test_loops_until_a_moment(test: str, ends: bool) -> None:
    text = f"async def main():\n    while {test}:\n        await f()\n"
    module = Module(text, ast.parse(text))
    assert ends_at_a_moment(module, module.tree.body[0]) is ends


def test_nothing_is_estimated_where_nothing_is_known_to_help() -> None:
    builder = Builder()
    builder.loop(ran=1.0)
    builder.blocked(1.0, 1.3, builder.task(builder.site("handle")))
    builder.look(1.0, 1.28, 1.0, HELD, [(APP, 2, "handle")], ask=1)
    builder.answer(1, 0.2)
    found = snapshot(read_buffer(builder.build()))
    text = "async def handle(rows):\n    return json.dumps(rows)\n"
    advisor = Advisor(found, {APP: text}.get)  # type: ignore[arg-type]
    (group,) = group_blocked(found.blocked)
    assert group.blocker is Blocker.NATIVE_GIL
    advice = advisor.advise(group)
    assert advice
    assert (advice.to, advice.gain_s, advice.range_s) == ("process", None, None)
    assert advisor.estimate([(group, advice)]) is None


def test_a_step_that_had_no_cpu_is_not_to_blame() -> None:
    _, advice, outcome = estimated(7, HELD, seen=0.1)
    assert (advice.rule, advice.to) == ("starved", "code")
    assert outcome is None


@pytest.mark.parametrize(
    ("text", "main", "expected_s", "worst_s"),
    [
        ("", "start.py", 0.1, 0.15),  # its module is imported there
        ("", APP, 0.0, 0.0),  # the main file is not
        ("import numpy", APP, 0.0, 0.15),  # but what it needs
    ],
)
def test_a_process_imports_first(text: str, main: str, expected_s: float, worst_s: float) -> None:
    group, advice, _ = estimated(7, HELD)
    found = recording(7, HELD)
    threads = {index: replace(one, opened_s=0.1) for index, one in found.threads.items()}
    found = replace(found, threads=threads, meta=replace(found.meta, main=main))
    advisor = Advisor(found, {APP: f"{PROGRAM}{text}\n"}.get, lambda: TYPICAL)  # type: ignore[arg-type]
    late = advisor.advise(group)
    assert late
    assert late.run_s
    assert advice.run_s
    assert late.run_s - advice.run_s == pytest.approx(expected_s, abs=0.02)
    assert late.range_s
    assert advice.range_s
    assert late.range_s[1] - advice.range_s[1] == pytest.approx(worst_s * 1.07, abs=0.02)
