"""A total through `map`, all in C."""

import asyncio


async def digits(limit):
    await asyncio.sleep(0)
    return sum(map(len, map(str, range(limit))))  # blocks: native-gil


async def main():
    print(await asyncio.gather(digits(3_000_000), asyncio.sleep(0)))


asyncio.run(main())
