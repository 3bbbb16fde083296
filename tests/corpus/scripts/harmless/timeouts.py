"""Requests that take too long are given up."""

import asyncio


async def slow(number):
    await asyncio.sleep(0.2 + number / 100)


async def request(number):
    try:
        async with asyncio.timeout(0.1):
            await slow(number)
    except TimeoutError:
        return "late"


async def main():
    for _ in range(5):
        print(set(await asyncio.gather(*(request(number) for number in range(100)))))


asyncio.run(main())
