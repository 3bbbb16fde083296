"""A job collects garbage when it is done, to be sure."""

import asyncio
import gc

state = [{"id": number, "next": [number]} for number in range(1_200_000)]


async def job(number):
    await asyncio.sleep(0)
    found = sum(item["id"] for item in state[:100])
    gc.collect()  # blocks: gc|native-gil
    return found + number


async def main():
    print(await asyncio.gather(job(1), job(2)))


asyncio.run(main())
