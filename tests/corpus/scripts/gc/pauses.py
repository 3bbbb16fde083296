"""A large cache makes each full collection long."""

import asyncio

cache = [{"id": number, "tags": [number]} for number in range(900_000)]
# blocks: gc


async def handle(number):
    await asyncio.sleep(0)
    for item in range(2_000):
        cache.append({"id": item, "tags": [item]})


async def other():
    await asyncio.sleep(0)
    return [[item] for item in range(600)]


async def main():
    for number in range(250):
        await asyncio.gather(handle(number), other())


asyncio.run(main())
