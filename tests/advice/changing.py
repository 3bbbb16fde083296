"""Programs whose work changes or reads something that it would not find elsewhere."""

from __future__ import annotations

from tests.advice.trial import Program

PROGRAMS = (
    Program(
        "changes_global",
        "python",
        """\
        import asyncio
        total = 0

        def add(n):
            global total
            for i in range(n):
                total += i * i % 7

        async def main():
            add(2_500_000)  # blocks
            return total
        """,
        mended="""\
        import asyncio, fournil
        total = 0

        def added(n):
            found = 0
            for i in range(n):
                found += i * i % 7
            return found

        async def main():
            global total
            total += await fournil.to_process(added, 2_500_000)
            return total
        """,
        says="`add` changes `total`",
    ),
    Program(
        "changes_argument",
        "python",
        """\
        import asyncio

        def fill(rows, n):
            for i in range(n):
                if i % 1000 == 0:
                    rows.append(i * i % 7)

        async def main():
            rows = []
            fill(rows, 4_000_000)  # blocks
            return len(rows)
        """,
        mended="""\
        import asyncio, fournil

        def filled(n):
            rows = []
            for i in range(n):
                if i % 1000 == 0:
                    rows.append(i * i % 7)
            return rows

        async def main():
            rows = []
            rows += await fournil.to_process(filled, 4_000_000)
            return len(rows)
        """,
        says="`fill` changes `rows`",
    ),
    Program(
        "changes_self",
        "python",
        """\
        import asyncio

        class Shop:
            def __init__(self):
                self.total = 0
            def refresh(self, n):
                for i in range(n):
                    self.total += i * i % 7
            async def handle(self):
                self.refresh(2_500_000)  # blocks
                return self.total

        async def main():
            return await Shop().handle()
        """,
        mended="""\
        import asyncio, fournil

        def computed(n):
            total = 0
            for i in range(n):
                total += i * i % 7
            return total

        class Shop:
            def __init__(self):
                self.total = 0
            async def handle(self):
                self.total += await fournil.to_process(computed, 2_500_000)
                return self.total

        async def main():
            return await Shop().handle()
        """,
        says="`refresh` changes its object `self`",
    ),
    Program(
        "lru_cached",
        "python",
        """\
        import asyncio, functools

        @functools.lru_cache(maxsize=None)
        def price(n):
            total = 0
            for i in range(n):
                total += i * i % 7
            return total

        async def handle(n):
            return price(n)  # blocks

        async def main():
            return [await handle(2_500_000) for _ in range(2)], price.cache_info().hits
        """,
        mended="""\
        import asyncio, functools, fournil

        @functools.lru_cache(maxsize=None)
        def price(n):
            total = 0
            for i in range(n):
                total += i * i % 7
            return total

        prices = {}

        async def handle(n):
            if n not in prices:
                prices[n] = await fournil.to_process(price.__wrapped__, n)
            return prices[n]

        async def main():
            return [await handle(2_500_000) for _ in range(2)]
        """,
        says="`price` keeps its results",
    ),
    Program(
        "contextvar",
        "python",
        """\
        import asyncio, contextvars
        user = contextvars.ContextVar("user", default="nobody")

        def greet(n):
            total = sum(i * i % 7 for i in range(n))
            return user.get(), total

        async def main():
            user.set("ada")
            return greet(2_500_000)  # blocks
        """,
        mended="""\
        import asyncio, contextvars, fournil
        user = contextvars.ContextVar("user", default="nobody")

        def greet(n):
            total = sum(i * i % 7 for i in range(n))
            return user.get(), total

        async def main():
            user.set("ada")
            async with fournil.ProcessPool(context_vars=[user]) as pool:
                found = await pool.run(greet, 2_500_000)
            assert found[0] == "ada"
            return found
        """,
        says="context_vars=[user]",
    ),
    Program(
        "thread_local",
        "waiting",
        """\
        import asyncio, threading, select
        local = threading.local()
        local.name = "main"

        def greet():
            select.select([], [], [], 0.15)
            return getattr(local, "name", "nobody")

        async def handle():
            return greet()  # blocks

        async def main():
            return await asyncio.gather(handle(), handle())
        """,
        mended="""\
        import asyncio, threading, select
        local = threading.local()
        local.name = "main"

        def greet(name):
            select.select([], [], [], 0.15)
            return name

        async def handle():
            return await asyncio.to_thread(greet, local.name)

        async def main():
            found = await asyncio.gather(handle(), handle())
            assert found == ["main", "main"]
            return found
        """,
        says="hand over what it needs",
    ),
    Program(
        "callee_creates_task",
        "waiting",
        """\
        import asyncio, select

        async def notify():
            return 3

        def work():
            select.select([], [], [], 0.15)
            return asyncio.create_task(notify())

        async def main():
            task = work()  # blocks
            return await task
        """,
        mended="""\
        import asyncio, select

        async def notify():
            return 3

        def work():
            select.select([], [], [], 0.15)

        async def main():
            await asyncio.to_thread(work)
            task = asyncio.create_task(notify())
            return await task
        """,
        says="`asyncio.create_task`, which only the loop",
    ),
    Program(
        "sets_future",
        "sleep",
        """\
        import asyncio, time

        def answer(future):
            time.sleep(0.15)
            future.set_result(3)

        async def main():
            future = asyncio.get_running_loop().create_future()
            answer(future)  # blocks
            return await future
        """,
        mended="""\
        import asyncio, time

        def answer():
            time.sleep(0.15)
            return 3

        async def main():
            future = asyncio.get_running_loop().create_future()
            future.set_result(await asyncio.to_thread(answer))
            return await future
        """,
        says="`future.set_result`, which only the loop",
    ),
    Program(
        "random_module",
        "python",
        """\
        import asyncio, random

        def simulate(n):
            return sum(random.random() < 0.5 for _ in range(n))

        async def main():
            random.seed(3)
            return simulate(2_000_000) > 3  # blocks
        """,
        mended="""\
        import asyncio, random, fournil

        def simulate(rng, n):
            return sum(rng.random() < 0.5 for _ in range(n))

        async def main():
            rng = random.Random(3)
            return await fournil.to_process(simulate, rng, 2_000_000) > 3
        """,
        says="`simulate` draws from `random`, which is seeded here",
    ),
    Program(
        "heavy_setattr_property",
        "python",
        """\
        import asyncio

        class Shop:
            @property
            def n(self):
                return self._n
            @n.setter
            def n(self, value):
                self._n = value
                self.total = sum(i * i % 7 for i in range(value))

        async def main():
            shop = Shop()
            shop.n = 2_500_000  # blocks
            return shop.total
        """,
        mended="""\
        import asyncio, fournil

        def computed(n):
            return sum(i * i % 7 for i in range(n))

        class Shop: ...

        async def main():
            shop = Shop()
            shop.n = 2_500_000
            shop.total = await fournil.to_process(computed, shop.n)
            return shop.total
        """,
        says="`n` changes its object `self`",
    ),
)
