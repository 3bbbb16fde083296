"""Two handlers are slow, each in its way; the others are not."""

import asyncio
import time


class Api:
    async def slow_query(self):
        time.sleep(0.15)  # blocks: waiting

    async def heavy(self):
        text = ""
        for number in range(350_000):
            text = f"{number:08x}{text[:12]}{number % 7}"  # blocks: python

    async def light(self):
        await asyncio.sleep(0.001)


async def client(api, name):
    for _ in range(3):
        await getattr(api, name)()
        await asyncio.sleep(0.002)


async def main():
    api = Api()
    names = ["slow_query", "heavy", *["light"] * 8]
    await asyncio.gather(*(client(api, name) for name in names))


asyncio.run(main())
