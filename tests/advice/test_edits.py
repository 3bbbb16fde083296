"""What an advice writes into a program: the source before and after, without running it."""

from __future__ import annotations

from textwrap import dedent

import pytest

from fournil.evidence.classify import Blocker
from fournil.observe.advice.context import look_at
from fournil.observe.advice.edits import apply
from fournil.observe.advice.program import Sources
from fournil.observe.advice.sentence import Said, say
from fournil.record.kinds import Kind
from tests.observe.builder import APP, PACKAGES
from tests.observe.samples import empty
from tests.observe.test_advice import group_of

WAITING, PYTHON, NATIVE, NATIVE_GIL = (
    Blocker.WAITING,
    Blocker.PYTHON,
    Blocker.NATIVE,
    Blocker.NATIVE_GIL,
)


def said(
    blocker: Blocker, text: str, *functions: str, kind: Kind = Kind.TASK, inside: str = ""
) -> tuple[Said, str]:
    """Return what is said of a program whose lines `# 1`, `# 2` ran, the innermost first.

    Args:
        functions: the names of the functions of these lines.
        inside: a function of no source that the innermost line had called.
    """
    text = dedent(text)
    lines = text.splitlines()
    frames = [(f"{PACKAGES}/library/inside.py", 1, inside)] if inside else []
    for number, function in enumerate(functions, 1):
        (at,) = (at for at, line in enumerate(lines, 1) if line.endswith(f"# {number}"))
        frames.append((APP, at, function))
    group = group_of(blocker, frames, kind=kind, own=len(frames) - len(functions))
    context = look_at(group, empty(), Sources(lambda file: text if file == APP else ""))
    assert context
    found = say(context)
    return found, apply(text, found.edits)


def line_of(blocker: Blocker, line: str, *, head: str = "", inside: str = "") -> str:
    """Return what becomes of the one line of a coroutine."""
    text = f"{head}\nasync def handle(a, b, xs):\n    {line}  # 1\n"
    _, after = said(blocker, text, "handle", inside=inside)
    return next(line for line in after.splitlines() if line.endswith("# 1")).strip()[:-5]


LINES = [
    (WAITING, "requests.get(a, timeout=b)", "await asyncio.to_thread(requests.get, a, timeout=b)"),
    (WAITING, "return probe(a).text", "return (await asyncio.to_thread(probe, a)).text"),
    (WAITING, "return probe(a)[0]", "return (await asyncio.to_thread(probe, a))[0]"),
    (WAITING, "return probe(a)(b)", "return await asyncio.to_thread(lambda: probe(a)(b))"),
    (WAITING, "x = probe(a) ** 2", "x = (await asyncio.to_thread(probe, a)) ** 2"),
    (WAITING, "x = probe(*a, **b)", "x = await asyncio.to_thread(probe, *a, **b)"),
    (WAITING, "x = open(a).read()", "x = await asyncio.to_thread(lambda: open(a).read())"),
    (WAITING, "x = await probe(a)", "x = await probe(a)"),
    (WAITING, "x = f'{probe(a)}'", "x = f'{probe(a)}'"),
    (WAITING, "time.sleep(a)", "await asyncio.sleep(a)"),
    (WAITING, "x = a.result()", "x = await asyncio.wrap_future(a)"),
    (WAITING, "x = a.result(3)", "x = a.result(3)"),
    (NATIVE, "x = a @ b", "x = await asyncio.to_thread(lambda: a @ b)"),
    (NATIVE, "x = super().f(a)[b]", "x = super().f(a)[b]"),
    (NATIVE_GIL, "x = a ** b", "x = await fournil.to_process(work, a, b)"),
    (NATIVE_GIL, "a.sort(key=b)", "a[:] = await fournil.to_process(sorted, a, key=b)"),
    (NATIVE_GIL, "x = a.sort(key=b)", "x = a.sort(key=b)"),
    (NATIVE_GIL, "x = sorted(a)", "x = await fournil.to_process(sorted, a)"),
    (NATIVE_GIL, "x = json.loads(a)", "x = json.loads(a)"),
    (NATIVE_GIL, "x = len(json.loads(a))", "x = await fournil.to_process(work, a)"),
    (NATIVE_GIL, "x = json.loads(a)['n']", "x = await fournil.to_process(work, a)"),
    (NATIVE_GIL, "x = [json.loads(one) for one in xs]", "x = [json.loads(one) for one in xs]"),
    (NATIVE_GIL, "x = json.dumps(a)", "x = json.dumps(a)"),
    (NATIVE_GIL, "x = sum(a)", "x = sum(a)"),
    (NATIVE_GIL, "x = sum(range(b))", "x = await fournil.to_process(work, b)"),
    (NATIVE_GIL, "x = sorted(f(a))", "x = await fournil.to_process(work, f, a)"),
    (NATIVE_GIL, "heapq.heapify(a)", "heapq.heapify(a)"),
    (NATIVE_GIL, "x = bool(P.match(a))", "x = await fournil.to_process(work, P, a)"),
    (NATIVE_GIL, "x = total(a.__b)", "x = await fournil.to_process(total, a.__b)"),
    (NATIVE_GIL, "x = a.__b ** b", "x = a.__b ** b"),
    (NATIVE_GIL, "x = probe(a).rows().best()", "x = await fournil.to_process(work, probe, a)"),
    (WAITING, "x = await probe(a).f()", "x = await (await asyncio.to_thread(probe, a)).f()"),
    (PYTHON, "x = {i: f for i in xs}", "x = {i: f for i in xs}"),
    (PYTHON, "x = [(y := i) for i in xs]", "x = [(y := i) for i in xs]"),
]  # fmt: skip


@pytest.mark.parametrize(("blocker", "line", "expected"), LINES, ids=str)
def test_line(blocker: Blocker, line: str, expected: str) -> None:
    assert line_of(blocker, line, head="import json, heapq, requests, time") == expected


def test_what_is_needed_is_imported_once_after_the_docstring() -> None:
    text = '''\
    """A shop."""
    from __future__ import annotations
    import asyncio

    async def handle(a):
        return sorted(a)  # 1
    '''
    _, after = said(NATIVE_GIL, text, "handle")
    assert after.splitlines()[2:4] == ["import fournil", "import asyncio"]


def test_a_function_written_out_takes_what_is_no_function_or_module() -> None:
    text = """\
    import math
    TABLE = load()
    def f(x): return x
    class Shop:
        async def handle(self, a):
            rows = a.rows
            return sum(f(row * math.pi) for row in rows if row in TABLE)  # 1
    """
    _, after = said(PYTHON, text, "Shop.handle", inside="Shop.handle.<locals>.<genexpr>")
    assert "def work(rows, TABLE):\n    return sum(f(row * math.pi)" in after
    assert "return await fournil.to_process(work, rows, TABLE)" in after


def test_a_name_that_is_taken_is_not_taken_again() -> None:
    text = "work = 3\nasync def handle(a):\n    return a ** work  # 1\n"
    _, after = said(NATIVE_GIL, text, "handle")
    assert "def work_2(a, work):" in after


LOOP = """\
async def handle(n, out):
    total, names = 0, []
    for i in range(n):  # 1
        total += i
        names.append(str(i))
    return total, names
"""


def test_a_loop_goes_with_what_it_makes() -> None:
    _, after = said(PYTHON, LOOP, "handle")
    assert "    total, names = await fournil.to_process(work, n, total, names)\n" in after
    assert "def work(n, total, names):\n    for i in range(n):" in after
    assert after.count("names.append") == 1


@pytest.mark.parametrize(
    "line",
    ["out.append(i)", "out[i] = 3", "return i", "self.n = i", "await f(i)", "global x; x = i"],
)
def test_a_loop_stays_that_changes_what_others_have_or_ends_early(line: str) -> None:
    text = f"""\
    async def handle(self, n, out):
        for i in range(n):
            {line}; y = i  # 1
    """
    found, after = said(PYTHON, text, "handle")
    assert after == dedent(text)
    assert "function of its own" in found.text


def test_a_loop_stays_that_changes_what_it_goes_through() -> None:
    text = """\
    async def handle(rows):
        total = 0
        for row in rows:  # 1
            total += row.n
            row.n = 0
        return total
    """
    found, after = said(PYTHON, text, "handle")
    assert after == dedent(text)
    assert "this changes `rows`" in found.text


CALLBACK = """\
import asyncio

class Reader(asyncio.Protocol):
    def data_received(self, data):
        total = price(data)  # 1
        self.transport.write(total)
"""


def test_a_callback_starts_a_task_that_does_what_it_did() -> None:
    found, after = said(PYTHON, CALLBACK, "Reader.data_received", kind=Kind.READER, inside="price")
    assert "    async def data_received_task(self, data):\n" in after
    assert "        total = await fournil.to_process(price, data)" in after
    assert "        task = asyncio.create_task(self.data_received_task(data))\n" in after
    assert "background = set()" in after
    assert "is a callback and cannot await" in found.text
    compile(after, "after", "exec")


def test_a_callback_that_is_asked_for_a_result_stays() -> None:
    text = CALLBACK.replace("self.transport.write(total)", "return total")
    found, after = said(PYTHON, text, "Reader.data_received", kind=Kind.READER, inside="price")
    assert after == text
    assert "fournil.to_process(price, data)" in found.text


def test_who_may_await_is_named() -> None:
    text = """\
    import time
    def fetch(key):
        time.sleep(1)  # 1
    async def handle(key):
        return fetch(key)  # 2
    """
    found, after = said(WAITING, text, "fetch", "handle")
    assert "return await asyncio.to_thread(fetch, key)" in after
    assert (
        "There, in `handle` at app.py:5: `fetch` is called by it, and cannot await." in found.text
    )


def test_where_nobody_may_await_nothing_is_written() -> None:
    found, after = said(WAITING, "def fetch(a):\n    a.wait()  # 1\n", "fetch")
    assert "await" not in after
    assert "`fetch` cannot await" in found.text


@pytest.mark.parametrize("function", ["__del__", "Session.__del__"])
def test_a_destructor_does_not_await(function: str) -> None:
    text = """\
    class Session:
        def __del__(self):
            time.sleep(1)  # 1
    async def handle(session):
        session = None  # 2
    """
    found, after = said(WAITING, text, function, "handle")
    assert after == dedent(text)
    assert "A destructor runs wherever" in found.text


def test_a_signal_handler_does_not_await() -> None:
    text = """\
    import signal
    def reload(number, frame):
        time.sleep(1)  # 1
    signal.signal(signal.SIGHUP, reload)
    async def handle():
        return count()  # 2
    """
    found, after = said(WAITING, text, "reload", "handle")
    assert after == dedent(text)
    assert "loop.add_signal_handler" in found.text


def test_a_coroutine_is_not_moved() -> None:
    text = "async def fetch(): ...\nasync def handle(a):\n    x = a + fetch()  # 1\n"
    assert "to_process(fetch" not in said(NATIVE_GIL, text, "handle")[0].text


def test_the_line_of_a_definition_names_no_call() -> None:
    text = "async def handle(a=make()):  # 1\n    return 3\n"
    for blocker in (WAITING, PYTHON, NATIVE, NATIVE_GIL):
        found, after = said(blocker, text, "handle")
        assert after == text
        assert "make" not in found.text


def test_objects_of_a_thread_are_made_where_they_are_used() -> None:
    text = """\
    import sqlite3
    db = sqlite3.connect("stock.db")
    async def handle(query):
        return db.execute(query).fetchall()  # 1
    """
    _, after = said(NATIVE, text, "handle")
    assert 'with contextlib.closing(sqlite3.connect("stock.db")) as db:' in after
    assert "return await asyncio.to_thread(work, query)" in after


@pytest.mark.parametrize("made", ['sqlite3.connect(":memory:")', "pool.get()"])
def test_objects_of_a_thread_that_cannot_be_made_again_stay(made: str) -> None:
    text = f"""\
    import sqlite3
    async def handle(q):
        db = {made}
        return db.execute(q).fetchall()  # 1
    """
    found, after = said(NATIVE, text, "handle")
    assert "await" not in after
    assert "thread" in found.text


def test_a_key_to_sort_by_is_not_the_work() -> None:
    text = """\
    def weight(x): return -x  # 1
    async def handle(xs):
        return sorted(xs, key=weight)  # 2
    """
    found, after = said(PYTHON, text, "weight", "handle")
    assert found.rule.name == "sorted"
    assert "await fournil.to_process(sorted, xs, key=weight)" in after


def test_a_generator_is_not_sent() -> None:
    text = """\
    def rows(n):
        yield from range(n)  # 1
    async def handle(n):
        return len(list(rows(n)))  # 2
    """
    _, after = said(PYTHON, text, "rows", "handle")
    assert "def work(n):\n    return list(rows(n))" in after


def test_lazy_calls_are_not_the_work() -> None:
    text = "async def handle(df):\n    return df.groupby('k').agg('sum')  # 1\n"
    _, after = said(NATIVE, text, "handle", inside="aggregate")
    assert "await asyncio.to_thread(lambda: df.groupby('k').agg('sum'))" in after


@pytest.mark.parametrize("text", ["", "async def handle(:  # 1\n", "\0\n# 1", "(" * 5000])
def test_what_is_no_python_is_not_read(text: str) -> None:
    group = group_of(PYTHON, [(APP, 1, "handle"), (APP, 2, "main")])
    context = look_at(group, empty(), Sources(lambda file: text))
    assert context
    assert say(context).edits == ()


def test_a_coroutine_of_a_library_that_is_awaited_is_not_moved() -> None:
    text = "async def handle(client):\n    return (await client.get('/big')).content  # 1\n"
    for blocker in (PYTHON, NATIVE, NATIVE_GIL, WAITING):
        found, after = said(blocker, text, "handle", inside="get")
        assert after == text
        assert (found.rule.name, found.rule.to) == ("library", "code")


def test_containers_that_are_made_on_one_line_with_their_loop() -> None:
    text = "async def handle():\n    for i in range(9): cache.append({'i': [i]})  # 1\n"
    assert said(NATIVE_GIL, text, "handle")[0].rule.name == "collector"


def test_a_small_call_beside_the_work_is_not_the_work() -> None:
    text = "async def handle(n): data = b'x' * n; return len(data)  # 1\n"
    found, after = said(NATIVE_GIL, text, "handle")
    assert "data = await fournil.to_process(work, n); return len(data)" in after
    assert found.text.startswith("This expression keeps the GIL")
