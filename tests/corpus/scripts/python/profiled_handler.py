"""Somebody profiles a handler, which makes it slower still."""

import asyncio
import cProfile


def smooth(values):
    result = []
    for index, value in enumerate(values):
        window = values[max(0, index - 3) : index + 4]  # blocks: python
        result.append(sum(window) / len(window) + value)  # blocks: python
    return result


async def handler(values):
    await asyncio.sleep(0)
    profiler = cProfile.Profile()
    return len(profiler.runcall(smooth, values))


async def main():
    values = [n * 7 % 101 for n in range(300_000)]
    print(await asyncio.gather(handler(values), asyncio.sleep(0)))


asyncio.run(main())
