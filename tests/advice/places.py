"""Programs whose work stands in many places: callbacks, loops, properties, generators."""

from __future__ import annotations

from tests.advice.trial import Program

PROGRAMS = (
    Program(
        "plain_function_of_a_coroutine",
        "sleep",
        """\
        import asyncio, time

        class Client:
            def fetch(self, key, *, retries=1):
                for _ in range(retries):
                    time.sleep(0.15)  # blocks
                return key

            async def get(self, key):
                return self.fetch(
                    key,
                    retries=1,
                )

        async def main():
            client = Client()
            return await asyncio.gather(client.get("a"), client.get("b"))
        """,
        says="There, in `get` at",
    ),
    Program(
        "two_functions_deep",
        "waiting",
        """\
        import asyncio, select

        def read():
            return select.select([], [], [], 0.15)  # blocks

        def poll():
            found = read()
            return len(found)

        async def handle():
            if poll() == 3:
                return "three"

        async def main():
            return await asyncio.gather(handle(), handle())
        """,
        says="asyncio.to_thread(poll)",
    ),
    Program(
        "words_that_are_wider_than_a_byte",
        "sleep",
        """\
        import asyncio, time

        async def handle():
            größe = "Brötchen 🥐"; time.sleep(0.15); return größe  # blocks

        async def main():
            return await asyncio.gather(handle(), handle())
        """,
    ),
    Program(
        "awaited_argument",
        "python",
        """\
        import asyncio

        async def amount():
            return 2_500_000

        def price(n):
            return sum(i * i % 7 for i in range(n))

        async def main():
            return price(await amount())  # blocks
        """,
        says="fournil.to_process(price, await amount())",
    ),
    Program(
        "attribute_of_a_result",
        "python",
        """\
        import asyncio

        def part(n):
            return complex(sum(i * i % 7 for i in range(n)), 1)

        async def main():
            return part(2_500_000).real + 2  # blocks
        """,
    ),
    Program(
        "classes_of_the_program_travel",
        "python",
        """\
        import asyncio

        class Loaf:
            def __init__(self, weight):
                self.weight = weight

        def bake(n):
            return Loaf(sum(i * i % 7 for i in range(n)))

        async def main():
            loaf = bake(2_500_000)  # blocks
            return type(loaf) is Loaf, loaf.weight
        """,
    ),
    Program(
        "making_an_object",
        "python",
        """\
        import asyncio

        class Index:
            def __init__(self, n):
                self.total = sum(i * i % 7 for i in range(n))

        async def main():
            return Index(2_500_000).total  # blocks
        """,
        says="fournil.to_process(Index, 2_500_000)",
    ),
    Program(
        "method_of_self",
        "python",
        """\
        import asyncio

        class Shop:
            def __init__(self):
                self.n = 2_500_000

            def total(self, factor=1):
                return factor * sum(i * i % 7 for i in range(self.n))

            async def handle(self):
                return self.total(factor=2)  # blocks

        async def main():
            return await Shop().handle()
        """,
    ),
    Program(
        "condition",
        "python",
        """\
        import asyncio

        def is_large(n):
            return sum(i * i % 7 for i in range(n)) > 3

        async def main():
            if not is_large(2_500_000):  # blocks
                return "small"
            return "large"
        """,
    ),
    Program(
        "loop_that_fills_a_list",
        "python",
        """\
        import asyncio

        async def main():
            found = []
            for i in range(1_500_000):
                if i * i % 7 == 2:
                    found.append(i)  # blocks
            return len(found), found[:3]
        """,
    ),
    Program(
        "loops_in_loops",
        "python",
        """\
        import asyncio

        def cost(i, j):
            return (i * j) % 7

        async def main():
            n, best = 1_500, 0
            for i in range(n):
                for j in range(n):
                    best = max(best, cost(i, j))  # blocks
            return best, i
        """,
    ),
    Program(
        "while_with_a_counter",
        "python",
        """\
        import asyncio

        async def main():
            number, steps = 837_799, 0
            for _ in range(4_000):
                number = 837_799
                while number != 1:
                    number = number // 2 if number % 2 == 0 else 3 * number + 1  # blocks
                    steps += 1
            return steps
        """,
    ),
    Program(
        "sum_of_a_generator",
        "python",
        """\
        import asyncio

        async def main():
            n = 3
            return sum(i * n % 7 for i in range(2_500_000))  # blocks
        """,
    ),
    Program(
        "key_to_sort_by",
        "sorted",
        """\
        import asyncio

        def weight(n):
            return n * 7919 % 300_007

        async def main():
            return sorted(range(500_000), key=weight)[:3]  # blocks
        """,
    ),
    Program(
        "done_callback",
        "python",
        """\
        import asyncio

        def price(n):
            return sum(i * i % 7 for i in range(n))

        found, done = [], asyncio.Event()

        def on_done(task):
            found.append(price(task.result()))  # blocks
            done.set()

        async def amount():
            return 2_500_000

        async def main():
            task = asyncio.create_task(amount())
            task.add_done_callback(on_done)
            await done.wait()
            return found
        """,
        says="is a callback and cannot await",
    ),
    Program(
        "reader",
        "waiting",
        """\
        import asyncio, select, socket

        async def main():
            loop, done = asyncio.get_running_loop(), asyncio.Event()
            ours, theirs = socket.socketpair()

            def on_data():
                loop.remove_reader(ours.fileno())
                select.select([], [], [], 0.15)  # blocks
                done.set()

            loop.add_reader(ours.fileno(), on_data)
            theirs.send(b"x")
            await done.wait()
            ours.close()
            theirs.close()
        """,
    ),
    Program(
        "async_generator",
        "sleep",
        """\
        import asyncio, time

        async def ticks(count):
            for number in range(count):
                time.sleep(0.1)  # blocks
                yield number

        async def handle():
            return [number async for number in ticks(2)]

        async def main():
            return await asyncio.gather(handle(), handle())
        """,
    ),
    Program(
        "sleep_in_a_loop",
        "sleep",
        """\
        import asyncio, time

        async def handle():
            for _ in range(3):
                time.sleep(0.06)  # blocks

        async def main():
            await asyncio.gather(handle(), handle())
        """,
    ),
    Program(
        "one_line_coroutine",
        "native-gil|python",
        """\
        import asyncio

        async def digits(): return 7 ** 500_000 % 1_000_003  # blocks

        async def main():
            return await digits()
        """,
    ),
    Program(
        "power",
        "native-gil",
        """\
        import asyncio

        async def main():
            base = 123_457
            huge = base ** 150_000 % 1_000_003  # blocks
            return huge
        """,
        says="expression",
    ),
)
