"""A coroutine maps over a pool of processes, and waits for all."""

import asyncio
import multiprocessing
import time


def price(number):
    time.sleep(0.1)
    return number * 3


async def report(pool):
    await asyncio.sleep(0)
    return sum(pool.map(price, range(6)))  # blocks: waiting


async def main(pool):
    print(await asyncio.gather(report(pool), asyncio.sleep(0.05)))


if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(2) as pool:
        asyncio.run(main(pool))
