"""Producers, consumers, pipelines, and what other threads bring."""

from __future__ import annotations

from tests.pairs.pair import Pair

PAIRS = (
    Pair(
        "consumers of a bounded queue",
        """\
        import asyncio, time

        async def produce(queue):
            for number in range(18):
                await queue.put(number)
            await queue.join()

        async def consume(queue):
            while True:
                await queue.get()
                await asyncio.sleep(0.002)
                time.sleep(0.07)  #> await asyncio.sleep(0.07)
                queue.task_done()

        async def main():
            queue = asyncio.Queue(4)
            consumers = [asyncio.create_task(consume(queue)) for _ in range(4)]
            await produce(queue)
            for consumer in consumers:
                consumer.cancel()

        asyncio.run(main())
        """,
    ),
    Pair(
        "a producer that blocks",
        """\
        import asyncio, time

        async def produce(queue):
            for number in range(12):
                time.sleep(0.06)  #> await asyncio.sleep(0.06)
                await queue.put(number)
            await queue.put(None)

        async def consume(queue):
            while (number := await queue.get()) is not None:
                await asyncio.sleep(0.05)

        async def main():
            queue = asyncio.Queue(2)
            await asyncio.gather(produce(queue), consume(queue))

        asyncio.run(main())
        """,
    ),
    Pair(
        "a pipeline of three",
        """\
        import asyncio, time

        async def read(out):
            for number in range(10):
                await asyncio.sleep(0.03)
                await out.put(number)
            await out.put(None)

        async def parse(given, out):
            while (number := await given.get()) is not None:
                time.sleep(0.06)  #> await asyncio.sleep(0.06)
                await out.put(number)
            await out.put(None)

        async def store(given):
            while await given.get() is not None:
                time.sleep(0.07)  #> await asyncio.sleep(0.07)

        async def main():
            first, second = asyncio.Queue(3), asyncio.Queue(3)
            await asyncio.gather(read(first), parse(first, second), store(second))

        asyncio.run(main())
        """,
    ),
    Pair(
        "workers of a queue that compute",
        """\
        import asyncio, fournil

        def total(n):
            found = 0
            for number in range(n):
                found += number * number % 7
            return found

        async def work(queue):
            while not queue.empty():
                size = queue.get_nowait()
                await asyncio.sleep(0.002)
                total(size)  #> await fournil.to_process(total, size)

        async def main():
            queue = asyncio.Queue()
            for number in range(12):
                queue.put_nowait(1_500_000 + 100_000 * number)
            await asyncio.gather(*(work(queue) for _ in range(3)))

        asyncio.run(main())
        """,
    ),
    Pair(
        "a thread that brings orders",
        """\
        import asyncio, threading, time

        def bring(loop, queue):
            for number in range(24):
                time.sleep(0.07)
                loop.call_soon_threadsafe(queue.put_nowait, number)
            loop.call_soon_threadsafe(queue.put_nowait, None)

        async def main():
            queue = asyncio.Queue()
            thread = threading.Thread(target=bring, args=(asyncio.get_running_loop(), queue))
            thread.start()
            while (number := await queue.get()) is not None:
                time.sleep(0.055)  #> await asyncio.sleep(0.055)
            thread.join()

        asyncio.run(main())
        """,
    ),
    Pair(
        "a thread that brings more than is done",
        """\
        import asyncio, threading, time

        async def handle(number):
            time.sleep(0.06)  #> await asyncio.sleep(0.06)

        def bring(loop):
            for number in range(30):
                time.sleep(0.04)
                asyncio.run_coroutine_threadsafe(handle(number), loop)

        async def main():
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, bring, loop)
            while len(asyncio.all_tasks()) > 1:
                await asyncio.sleep(0.01)

        asyncio.run(main())
        """,
    ),
    Pair(
        "a thread that goes on by itself",
        """\
        import asyncio, threading, time

        def keep_books():
            for _ in range(30):
                time.sleep(0.05)

        async def bake(number):
            await asyncio.sleep(0.01)
            time.sleep(0.1)  #> await asyncio.sleep(0.1)

        async def main():
            await asyncio.gather(*(bake(number) for number in range(6)))

        books = threading.Thread(target=keep_books)
        books.start()
        asyncio.run(main())
        books.join()
        """,
    ),
    Pair(
        "a thread that computes beside a loop that waits",
        """\
        import asyncio, threading, time

        def keep_books():
            while not closed:
                sum(number % 7 for number in range(1000))

        async def bake(number):
            await asyncio.sleep(0.01)
            time.sleep(0.1)  #> await asyncio.sleep(0.1)

        async def main():
            await asyncio.gather(*(bake(number) for number in range(8)))

        closed = False
        books = threading.Thread(target=keep_books)
        books.start()
        asyncio.run(main())
        closed = True
        books.join()
        """,
    ),
    Pair(
        "a thread that computes beside a loop that does",
        """\
        import asyncio, fournil, threading

        def keep_books():
            while not closed:
                sum(number % 7 for number in range(1000))

        def total(n):
            found = 0
            for number in range(n):
                found += number * number % 7
            return found

        async def bake(number):
            await asyncio.sleep(0.01)
            total(2_000_000)  #> await fournil.to_process(total, 2_000_000)

        async def main():
            await asyncio.gather(*(bake(number) for number in range(8)))

        closed = False
        books = threading.Thread(target=keep_books)
        books.start()
        asyncio.run(main())
        closed = True
        books.join()
        """,
    ),
    Pair(
        "a thread that is waited for in the loop",
        """\
        import asyncio, time

        def keep_books():
            for _ in range(24):
                time.sleep(0.05)

        async def bake(number):
            await asyncio.sleep(0.01)
            time.sleep(0.1)  #> await asyncio.sleep(0.1)

        async def main():
            books = asyncio.create_task(asyncio.to_thread(keep_books))
            await asyncio.gather(*(bake(number) for number in range(8)))
            await books

        asyncio.run(main())
        """,
    ),
)
