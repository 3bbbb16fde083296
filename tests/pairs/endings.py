"""Programs that a clock ends, and those beside which something runs at intervals."""

from __future__ import annotations

from tests.pairs.pair import Pair

PAIRS = (
    Pair(
        "a timeout",
        """\
        import asyncio, time

        async def poll():
            while True:
                await asyncio.sleep(0.03)
                time.sleep(0.06)  #> await asyncio.sleep(0.06)

        async def main():
            try:
                async with asyncio.timeout(1.2):
                    await asyncio.gather(poll(), poll())
            except TimeoutError:
                pass

        asyncio.run(main())
        """,
    ),
    Pair(
        "questions that time out",
        """\
        import asyncio, time

        async def ask(number):
            for _ in range(3):
                try:
                    async with asyncio.timeout(0.25):
                        await asyncio.sleep(0.01)
                        time.sleep(0.05)  #> await asyncio.sleep(0.05)
                        await asyncio.sleep(0.02)
                except TimeoutError:
                    pass

        async def main():
            await asyncio.gather(*(ask(number) for number in range(8)))

        asyncio.run(main())
        """,
    ),
    Pair(
        "wait_for",
        """\
        import asyncio, time

        async def poll():
            while True:
                await asyncio.sleep(0.05)
                time.sleep(0.055)  #> await asyncio.sleep(0.055)

        async def main():
            try:
                await asyncio.wait_for(asyncio.gather(poll(), poll(), poll()), 1.3)
            except asyncio.TimeoutError:
                pass

        asyncio.run(main())
        """,
    ),
    Pair(
        "a loop until a moment",
        """\
        import asyncio, time

        async def main():
            until = time.monotonic() + 1.2
            while time.monotonic() < until:
                time.sleep(0.06)  #> await asyncio.sleep(0.06)
                await asyncio.sleep(0.02)

        asyncio.run(main())
        """,
    ),
    Pair(
        "a sleep that ends it",
        """\
        import asyncio, time

        async def poll():
            while True:
                time.sleep(0.06)  #> await asyncio.sleep(0.06)
                await asyncio.sleep(0.04)

        async def main():
            polls = [asyncio.create_task(poll()) for _ in range(2)]
            await asyncio.sleep(1.2)
            for poll_ in polls:
                poll_.cancel()

        asyncio.run(main())
        """,
    ),
    Pair(
        "call_later that stops",
        """\
        import asyncio, time

        async def poll():
            while True:
                time.sleep(0.06)  #> await asyncio.sleep(0.06)
                await asyncio.sleep(0.04)

        async def main():
            stop = asyncio.Event()
            asyncio.get_running_loop().call_later(1.2, stop.set)
            polling = asyncio.create_task(poll())
            await stop.wait()
            polling.cancel()

        asyncio.run(main())
        """,
    ),
    Pair(
        "a clock beside the work",
        """\
        import asyncio, time

        async def tick():
            while True:
                await asyncio.sleep(0.1)

        async def work(number):
            for _ in range(3):
                await asyncio.sleep(0.01)
                time.sleep(0.08)  #> await asyncio.sleep(0.08)

        async def main():
            ticking = asyncio.create_task(tick())
            await asyncio.gather(*(work(number) for number in range(5)))
            ticking.cancel()

        asyncio.run(main())
        """,
    ),
    Pair(
        "a round at each interval",
        """\
        import asyncio, time

        async def main():
            for number in range(10):
                time.sleep(0.06)  #> await asyncio.sleep(0.06)
                await asyncio.sleep(0.05)

        async def report():
            for _ in range(12):
                await asyncio.sleep(0.1)

        async def both():
            await asyncio.gather(main(), report())

        asyncio.run(both())
        """,
    ),
)
