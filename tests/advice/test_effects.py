"""What stands in the way of sending work elsewhere: told, and then no edit is written."""

from __future__ import annotations

import ast
from textwrap import dedent

import pytest

from fournil.evidence.classify import Blocker
from fournil.observe.advice.changes import changes_of
from fournil.observe.advice.program import Module
from fournil.record.kinds import Kind
from tests.advice.test_edits import PYTHON, WAITING, said

HEAD = """\
import asyncio, contextvars, functools, os, queue, random, sqlite3, threading
user = contextvars.ContextVar("user")
local = threading.local()
cache, total = {}, 0
class Bad(Exception):
    def __init__(self, code, text):
        super().__init__(text)
class Odd(Exception):
    def __init__(self, text):
        super().__init__(text)
class Stock:
    def __init__(self, n):
        self.n, self.rows = n, []
        self.lock = threading.Lock()
class Shop:
    def __init__(self, n):
        self.n, self.rows = n, []
rate, kinds = 1, {}
def raise_rate():
    global rate
    rate = 3
def kind(function):
    kinds[3] = function
    return function
@kind
def bread(): ...
"""


def told(blocker: Blocker, function: str, line: str, *, head: str = "") -> tuple[str, bool]:
    """Return what is said of a line that calls a function, and whether edits are written.

    Args:
        function: the lines of `f`, the last of which took the time.
        line: the line of the coroutine `handle(self, a, rows, db)` that called it.
    """
    text = HEAD + dedent(head) + "\n" + dedent(function) + "  # 1\n"
    text += f"async def handle(a, rows, db, out):\n    {line}  # 2\n    return rows, out\n"
    found, after = said(blocker, text, "f", "handle")
    return found.text, after != text


@pytest.mark.parametrize(
    ("function", "line", "says"),
    [
        ("def f(n):\n    cache[n] = n", "x = f(a)", "`f` changes `cache`, and a process"),
        ("def f(n):\n    global total\n    total += n", "x = f(a)", "`f` changes `total`"),
        ("def f(xs):\n    xs.append(3)", "f(rows)", "`f` changes `rows`, which it is given"),
        ("def f(xs):\n    for x in xs:\n        x.n = 3", "f(rows)", "`f` changes `rows`"),
        ("def f(s):\n    x = s.rows\n    x[0] = 3", "f(a)", "`f` changes `a`, which it is given"),
        ("def f(x):\n    setattr(x, 'n', 3)", "f(a)", "`f` changes `a`"),
        ("def f(x):\n    x.drop('n', inplace=True)", "f(a)", "`f` changes `a`"),
        ("def f(x):\n    Shop.rows = x", "f(a)", "`f` changes `Shop`"),
        ("def f(d: dict):\n    return d.items()", "x = f(a)", "`dict.items` returns cannot be"),
        ("def f(x):\n    os.environ['a'] = x", "f(a)", "`f` changes `os.environ`"),
        ("def f(x):\n    os.remove(x)", "f(a)", ""),
        ("def f(x):\n    return rate * x", "x = f(a)", "`f` reads `rate`, which changes while"),
        ("def f(x):\n    return kinds[x]", "x = f(a)", ""),
        ("def g(x):\n    x.clear()\ndef f(xs):\n    g(xs)", "f(rows)", "`f` changes `rows`"),
        ("@functools.cache\ndef f(n):\n    return n", "x = f(a)", "f.__wrapped__, ...)` returns"),
        ("def f(n):\n    return user.get()", "x = f(a)", "context_vars=[user]"),
        ("def f(n):\n    return local.n", "x = f(a)", "`f` uses `local`, of which each thread"),
        ("def f(n):\n    yield n", "x = list(f(a))", ""),
        ("def f(n):\n    return sqlite3.connect(n)", "x = f(a)", "sqlite3.connect` returns cannot"),
        ("def f(s):\n    return s.n", "s = Stock(3); x = f(s)", "`s` with its `lock` cannot be"),
        ("def f(n):\n    return Stock(n)", "x = f(a)", "`Stock` with its `lock` cannot be"),
        ("def f(n):\n    raise Bad(n, 'x')", "f(a)", "`f` raises `Bad`, which cannot be made"),
        ("def f(n):\n    raise Odd(n)", "f(a)", ""),
        ("def f(t):\n    t.set_result(3)", "f(a)", "`f` calls `t.set_result`, which only the"),
        ("def f(n):\n    xs = []\n    xs.append(n)", "x = f(a)", ""),
        ("def f(s):\n    return s.n", "s = Shop(3); x = f(s)", ""),
        ("def f(s):\n    s.n += 1\n    return 3", "s = Shop(3); x = f(s)", ""),
        ("def f(s):\n    s.n += 1\n    return 3", "s = Shop(3); x = f(s); x += s.n", "changes `s`"),
        ("def f(n):\n    return Shop(n).n", "x = f(a)", ""),
    ],
)  # fmt: skip
def test_what_a_process_would_not_do_here(function: str, line: str, says: str) -> None:
    text, is_edited = told(PYTHON, function, line)
    assert says in text
    assert is_edited is (not says)


@pytest.mark.parametrize(
    ("function", "line", "says"),
    [
        ("def f(n):\n    return local.n", "x = f(a)", "hand over what it needs of it"),
        ("def f(n):\n    asyncio.create_task(n)", "f(a)", "only the loop's own thread may"),
        ("def f(n):\n    return sqlite3.connect(n)", "x = f(a)", "the thread that made it"),
        ("def f(xs):\n    xs.append(3)", "f(rows)", ""),
        ("def f(s):\n    return s.n", "s = Stock(3); x = f(s)", ""),
    ],
)
def test_what_another_thread_would_not_do_here(function: str, line: str, says: str) -> None:
    text, is_edited = told(WAITING, function, line)
    assert says in text
    assert is_edited is (not says)


def test_a_method_that_changes_its_object_stays() -> None:
    text = """\
    class Shop:
        def f(self, n):
            self.count()
            return n  # 1
        def count(self):
            self.n += 1
        async def handle(self, n):
            return self.f(n)  # 2
    """
    found, after = said(PYTHON, text, "Shop.f", "Shop.handle")
    assert "`f` changes its object `self`" in found.text
    assert after == dedent(text)


@pytest.mark.parametrize(
    ("head", "blocker", "says"),
    [
        ("with lock:", WAITING, "a thread's lock, `lock`, would be held"),
        ("with self.stock_lock:", PYTHON, "a thread's lock, `self.stock_lock`, would be held"),
        ("async with lock:", PYTHON, ""),
        ("with decimal.localcontext(prec=9):", PYTHON, "`decimal.localcontext` is for this thread"),
        ("with decimal.localcontext(prec=9):", WAITING, ""),
        ("with open(n) as file:", PYTHON, ""),
    ],
)
def test_what_a_with_around_it_does_not_bear(head: str, blocker: Blocker, says: str) -> None:
    text = f"""\
    import decimal, threading
    lock = threading.Lock()
    def f(n):
        return n  # 1
    async def handle(self, n):
        {head}
            return f(n)  # 2
    """
    found, after = said(blocker, text, "f", "handle")
    assert says in found.text
    assert (after == dedent(text)) is bool(says)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("random.shuffle(rows)", "this line draws from `random`, which is seeded here"),
        ("x = sum(random.random() for _ in rows)", "this line draws from `random`"),
        ("x = sum(user.get() * row for row in rows)", "this line reads the context variable"),
        ("x = sum(local.n * row for row in rows)", "this line uses `local`, of which each thread"),
        ("x = sum(rate * row for row in rows)", ""),
    ],
)
def test_the_line_itself_may_stand_in_the_way(line: str, says: str) -> None:
    text = f"{HEAD}random.seed(3)\nasync def handle(rows):\n    {line}  # 1\n    return rows\n"
    inside = "" if "shuffle" in line else "handle.<locals>.<genexpr>"
    found, after = said(PYTHON, text, "handle", inside=inside)
    assert says in found.text
    assert (after == text) is bool(says)


def test_nobody_sleeps_with_a_lock_of_threads_but_in_a_thread() -> None:
    text = """\
    import threading, time
    lock = threading.Lock()
    async def handle(n):
        with lock:
            time.sleep(n)  # 1
    """
    found, after = said(WAITING, text, "handle")
    assert "a thread's lock, `lock`, would be held meanwhile" in found.text
    assert after == dedent(text)


@pytest.mark.parametrize("given", ["db", "db: int", ""])
def test_an_object_is_sent_with_all_that_it_was_given(given: str) -> None:
    text = f"""\
    class Shop:
        def __init__(self, {given}):
            self.db = {given[:2] or 3}
        def f(self, n):
            return n  # 1
        async def handle(self, n):
            return self.f(n)  # 2
    """
    found, after = said(PYTHON, text, "Shop.f", "Shop.handle")
    assert ("`self` is sent along" in found.text) is (given == "db")
    assert "await fournil.to_process(self.f, n)" in after


def test_a_method_that_is_overridden_is_that_which_ran() -> None:
    text = """\
    class Base:
        def run(self, n):
            self.work(n)
    class Child(Base):
        def work(self, n):
            self.total = sum(range(n))  # 1
    async def handle(n):
        child = Child()
        child.run(n)  # 3
        return child.total
    """
    text = text.replace("self.work(n)", "self.work(n)  # 2")
    found, after = said(PYTHON, text, "Child.work", "Base.run", "handle")
    assert "changes its object" in found.text
    assert after == dedent(text)


@pytest.mark.parametrize(
    ("method", "line"),
    [("contains", "n in Table()"), ("eq", "Table() == n"), ("getitem", "Table()[n]")],
)
def test_an_operator_of_a_class_goes_as_a_whole(method: str, line: str) -> None:
    text = f"""\
    class Table:
        def __{method}__(self, n):
            return sum(range(n))  # 1
    async def handle(n):
        return {line}  # 2
    """
    _, after = said(PYTHON, text, f"Table.__{method}__", "handle")
    assert f"def work(n):\n    return {line}" in after
    assert "return await fournil.to_process(work, n)" in after


def test_what_sorts_objects_is_no_operator() -> None:
    text = """\
    class Version:
        def __lt__(self, other):
            return sum(other) < 3  # 1
    async def handle(versions):
        return sorted(versions)[0].text  # 2
    """
    found, _ = said(PYTHON, text, "Version.__lt__", "handle")
    assert found.rule.name == "sort of objects"


def test_a_lambda_that_is_a_callback_is_told_apart_from_what_it_calls() -> None:
    text = """\
    def price(n):
        return sum(range(n))  # 1
    def main(task):
        task.add_done_callback(lambda task: print(price(3)))  # 2
    """
    found, _ = said(PYTHON, text, "price", "main.<locals>.<lambda>", kind=Kind.CALLBACK)
    assert "`price` is called by a callback, which cannot await" in found.text


@pytest.mark.parametrize("decorator", ["functools.cached_property", "property"])
def test_a_property_that_is_kept_stays(decorator: str) -> None:
    text = f"""\
    import functools
    class Shop:
        @{decorator}
        def f(self):
            return 3  # 1
        async def handle(self):
            return self.f  # 2
    """
    found, after = said(PYTHON, text, "Shop.f", "Shop.handle")
    assert ("is kept in its object" in found.text) is ("cached" in decorator)
    assert (after == dedent(text)) is ("cached" in decorator)


@pytest.mark.parametrize(
    ("body", "says"),
    [("x.f()", "put the `with` and what"), ("await x.f()", "asynchronous context")],
)
def test_what_a_with_enters_is_put_in_a_function_with_it(body: str, says: str) -> None:
    text = f"""\
    async def handle(n):
        with session(n) as x:  # 1
            {body}
    """
    found, after = said(WAITING, text, "handle", inside="__enter__")
    assert says in found.text
    assert after == dedent(text)


def test_a_generator_that_was_begun_is_not_begun_anew() -> None:
    text = """\
    def numbers(n):
        yield n
    async def handle(n):
        source = numbers(n)
        {first}
        return sum(source)  # 1
    """
    for first, is_edited in [("pass", True), ("first = next(source)", False)]:
        program = dedent(text).replace("{first}", first)
        found, after = said(PYTHON, program, "handle")
        assert (after != program) is is_edited
        assert ("`source` cannot be sent" in found.text) is not is_edited


def test_the_first_iterable_of_a_generator_goes_with_it() -> None:
    text = """\
    class Shop:
        @property
        def orders(self):
            return []  # 1
    async def handle(shop: Shop):
        return sum(one for one in shop.orders)  # 2
    """
    _, after = said(WAITING, text, "Shop.orders", "handle")
    assert "asyncio.to_thread(lambda: sum(one for one in shop.orders))" in after


def test_what_fills_what_it_returns_is_told_with_a_word_of_warning() -> None:
    text = """\
    class Index:
        def __init__(self, n):
            self.rows = []
            for i in range(n):
                self.rows.append(i)  # 1
    async def handle(n):
        return Index(n)  # 2
    """
    found, after = said(PYTHON, text, "Index.__init__", "handle")
    assert "`Index` returns what it fills" in found.text
    assert "fournil.to_process(Index, n)" in after


def test_what_functions_change() -> None:
    text = dedent("""\
    import random
    seen = set()
    class Shop:
        def __init__(self, rows):
            self.rows = rows
            rows.sort()
        def add(self, one):
            self.rows.append(one)
        def sell(self):
            one = self.rows.pop()
            seen.add(one)
            return one
        def name(self):
            return self.rows[0].strip()
    def draw(rng: random.Random, rows):
        rows = list(rows)
        rows.append(rng.random())
        return rows
    def again(shop: Shop):
        again(shop)
        shop.add(3)
    """)
    module = Module(text, ast.parse(text))
    found = {
        node.name: (sorted(changes_of(module, node).given), changes_of(module, node).around)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef)
    }
    assert found == {
        "__init__": (["rows"], ()),
        "add": (["self"], ()),
        "sell": (["self"], ("seen",)),
        "name": ([], ()),
        "draw": (["rng"], ()),
        "again": (["shop"], ()),
    }
