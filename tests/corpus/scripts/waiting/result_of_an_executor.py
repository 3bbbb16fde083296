"""What an executor computes is waited for by `result()`."""

import asyncio
import concurrent.futures
import time

executor = concurrent.futures.ThreadPoolExecutor(2)


def query(number):
    time.sleep(0.2)
    return number * 2


def total(numbers):
    futures = [executor.submit(query, number) for number in numbers]
    return sum(future.result() for future in concurrent.futures.as_completed(futures))  # blocks: waiting


async def handler():
    await asyncio.sleep(0)
    return total([1, 2, 3])


async def main():
    print(await asyncio.gather(handler(), asyncio.sleep(0.05)))


asyncio.run(main())
