"""A lottery draws with `random`."""

import asyncio
import random


async def draw(tickets, winners):
    await asyncio.sleep(0)
    random.shuffle(tickets)  # blocks: python
    return tickets[:winners]


async def main():
    tickets = list(range(900_000))
    print(await asyncio.gather(draw(tickets, 3), asyncio.sleep(0)))


asyncio.run(main())
