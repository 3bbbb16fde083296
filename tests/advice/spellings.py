"""Programs that call what blocks in the ways in which code is written."""

from __future__ import annotations

from tests.advice.trial import Program

PROGRAMS = (
    Program(
        "property_first_iterable_waits",
        "waiting",
        """\
        import asyncio, select

        class Shop:
            @property
            def orders(self):
                select.select([], [], [], 0.15)
                return [1, 2, 3]

        async def handle():
            shop = Shop()
            return sum(order for order in shop.orders)  # blocks

        async def main():
            return await asyncio.gather(handle(), handle())
        """,
        says="lambda: sum(order for order in shop.orders)",
    ),
    Program(
        "generator_next",
        "python",
        """\
        import asyncio

        def batches(n):
            for k in range(3):
                yield sum(i * i % 7 for i in range(n))

        async def main():
            source = batches(1_200_000)
            out = []
            for _ in range(3):
                out.append(next(source))  # blocks
            return out
        """,
    ),
    Program(
        "several_callers",
        "python",
        """\
        import asyncio

        def price(n):
            total = 0
            for i in range(n):
                total += i * i % 7  # blocks
            return total

        async def buy():
            return price(2_000_000)

        async def sell():
            return price(2_100_000)

        async def main():
            return await asyncio.gather(buy(), sell())
        """,
        says="The same in",
    ),
    Program(
        "several_callers_waits",
        "sleep",
        """\
        import asyncio, time

        def fetch(key):
            time.sleep(0.15)  # blocks
            return key

        async def one():
            return fetch("a")

        async def two():
            return fetch("b")

        async def main():
            return await asyncio.gather(one(), two())
        """,
        says="The same in",
    ),
    Program(
        "sorted_tolist",
        "sorted",
        """\
        import asyncio, numpy
        x = numpy.random.default_rng(1).random(600_000)

        async def main():
            return sorted(x.tolist())[:3]  # blocks
        """,
        says="sorted(x.tolist())[:3]",
        needs="numpy",
    ),
    Program(
        "partial",
        "python",
        """\
        import asyncio, functools

        def price(n, factor):
            total = 0
            for i in range(n):
                total += i * factor % 7
            return total

        triple = functools.partial(price, factor=3)

        async def main():
            return triple(2_500_000)  # blocks
        """,
    ),
    Program(
        "closure",
        "python",
        """\
        import asyncio

        def make(factor):
            def price(n):
                total = 0
                for i in range(n):
                    total += i * factor % 7
                return total
            return price

        async def main():
            price = make(3)
            return price(2_500_000)  # blocks
        """,
    ),
    Program(
        "lambda_assigned",
        "python",
        """\
        import asyncio
        score = lambda n: sum(i * i % 7 for i in range(n))

        async def main():
            return score(2_500_000)  # blocks
        """,
    ),
    Program(
        "decorator_timed",
        "python",
        """\
        import asyncio, functools, time

        def timed(function):
            @functools.wraps(function)
            def inner(*args, **kwargs):
                begin = time.perf_counter()
                found = function(*args, **kwargs)
                inner.took = time.perf_counter() - begin
                return found
            return inner

        @timed
        def price(n):
            return sum(i * i % 7 for i in range(n))

        async def main():
            return price(2_500_000)  # blocks
        """,
    ),
    Program(
        "class_method",
        "python",
        """\
        import asyncio

        class Shop:
            factor = 3
            @classmethod
            def total(cls, n):
                return sum(i * cls.factor % 7 for i in range(n))
            @staticmethod
            def other(n):
                return n

        async def main():
            return Shop.total(2_500_000)  # blocks
        """,
    ),
    Program(
        "walrus",
        "python",
        """\
        import asyncio

        def price(n):
            return sum(i * i % 7 for i in range(n))

        async def main():
            if (total := price(2_500_000)) > 3:  # blocks
                return total
        """,
    ),
    Program(
        "and_short_circuit",
        "python",
        """\
        import asyncio

        def price(n):
            return sum(i * i % 7 for i in range(n))

        async def main():
            order = {"n": 2_500_000}
            return order and price(order["n"]) > 3 and "many"  # blocks
        """,
    ),
    Program(
        "match_statement",
        "python",
        """\
        import asyncio

        def kind(n):
            return "even" if sum(i * i % 7 for i in range(n)) % 2 == 0 else "odd"

        async def main():
            match kind(2_500_000):  # blocks
                case "even":
                    return 2
                case _:
                    return 1
        """,
    ),
    Program(
        "comprehension_of_calls",
        "python",
        """\
        import asyncio

        def price(n):
            return sum(i * i % 7 for i in range(n))

        async def main():
            orders = [300_000] * 6
            return [price(n) for n in orders]  # blocks
        """,
    ),
    Program(
        "dict_comprehension_of_calls",
        "python",
        """\
        import asyncio

        def price(n):
            return sum(i * i % 7 for i in range(n))

        async def main():
            orders = {"a": 900_000, "b": 900_000}
            return {name: price(n) for name, n in orders.items()}  # blocks
        """,
    ),
    Program(
        "heavy_repr",
        "python",
        """\
        import asyncio

        class Row:
            def __repr__(self):
                return str(sum(i * i % 7 for i in range(2_500_000)))

        async def main():
            row = Row()
            return f"row {row!r}"  # blocks
        """,
    ),
    Program(
        "heavy_eq",
        "python",
        """\
        import asyncio

        class Row:
            def __init__(self, n):
                self.n = n
            def __eq__(self, other):
                return sum(i * i % 7 for i in range(2_500_000)) == 3

        async def main():
            return Row(1) == Row(2)  # blocks
        """,
    ),
    Program(
        "heavy_iter",
        "python",
        """\
        import asyncio

        class Table:
            def __iter__(self):
                for k in range(3):
                    yield sum(i * i % 7 for i in range(900_000))

        async def main():
            table = Table()
            return list(table)  # blocks
        """,
    ),
    Program(
        "chained_methods",
        "python",
        """\
        import asyncio

        class Query:
            def __init__(self, n):
                self.n = n
            def where(self, k):
                return Query(self.n + k)
            def run(self):
                return sum(i * i % 7 for i in range(self.n))

        async def main():
            return Query(2_000_000).where(500_000).run()  # blocks
        """,
    ),
    Program(
        "namedtuple_method",
        "python",
        """\
        import asyncio
        from typing import NamedTuple

        class Order(NamedTuple):
            n: int
            def total(self):
                return sum(i * i % 7 for i in range(self.n))

        async def main():
            return Order(2_500_000).total()  # blocks
        """,
    ),
    Program(
        "singledispatch",
        "python",
        """\
        import asyncio, functools

        @functools.singledispatch
        def price(order):
            return 0

        @price.register
        def _(order: int):
            return sum(i * i % 7 for i in range(order))

        async def main():
            return price(2_500_000)  # blocks
        """,
    ),
    Program(
        "async_with",
        "python",
        """\
        import asyncio

        class Session:
            async def __aenter__(self):
                self.total = sum(i * i % 7 for i in range(2_500_000))  # blocks
                return self
            async def __aexit__(self, *error):
                pass

        async def main():
            async with Session() as session:
                return session.total
        """,
    ),
    Program(
        "callback_partial",
        "python",
        """\
        import asyncio, functools
        found = []

        def finish(n, done):
            found.append(sum(i * i % 7 for i in range(n)))  # blocks
            done.set()

        async def main():
            done = asyncio.Event()
            asyncio.get_running_loop().call_soon(functools.partial(finish, 2_000_000, done))
            await done.wait()
            return found
        """,
        says="is a callback",
    ),
    Program(
        "re_compiled_self",
        "regex",
        """\
        import asyncio, re

        class Lexer:
            def __init__(self):
                self.token = re.compile(r"[a-z]+|\\d+")
            def tokens(self, text):
                return self.token.findall(text)
            async def count(self, text):
                return len(self.tokens(text))  # blocks

        async def main():
            return await Lexer().count("a1 bb22 " * 300_000)
        """,
    ),
    Program(
        "try_finally_sleep",
        "sleep",
        """\
        import asyncio, time

        async def handle():
            try:
                return 3
            finally:
                time.sleep(0.15)  # blocks

        async def main():
            return await asyncio.gather(handle(), handle())
        """,
    ),
    Program(
        "sync_retry_decorator",
        "sleep",
        """\
        import asyncio, functools, time

        def retry(function):
            @functools.wraps(function)
            def inner(*args):
                for n in range(2):
                    try:
                        return function(*args)
                    except ValueError:
                        time.sleep(0.15)  # blocks
            return inner

        calls = []

        @retry
        def flaky(k):
            if k not in calls:
                calls.append(k)
                raise ValueError
            return k

        async def handle(k):
            return flaky(k)

        async def main():
            return await asyncio.gather(handle(1), handle(2))
        """,
    ),
    Program(
        "subprocess_popen_iter",
        "waiting",
        """\
        import asyncio, subprocess

        async def tail():
            command = ["sh", "-c", "sleep 0.15; echo hi"]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            lines = [line for line in process.stdout]  # blocks
            process.wait()
            process.stdout.close()
            return lines

        async def main():
            return await asyncio.gather(tail(), tail())
        """,
    ),
)
