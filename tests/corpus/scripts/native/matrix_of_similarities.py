"""Recommendations are a product of matrices."""

import asyncio

import numpy as np

ITEMS = np.random.default_rng(1).random((2_600, 900))


async def similar(item):
    await asyncio.sleep(0)
    scores = ITEMS @ ITEMS.T  # blocks: native
    return int(scores[item].argsort()[-2])


async def main():
    print(await asyncio.gather(similar(3), asyncio.sleep(0)))


asyncio.run(main())
