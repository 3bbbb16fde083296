"""A frame is sorted by a column of strings."""

import asyncio

import pandas as pd

NAMES = pd.Series([f"bread {n * 7919 % 400_009}" for n in range(400_000)], dtype=object)


async def ranking():
    await asyncio.sleep(0)
    return NAMES.sort_values().iloc[0]  # blocks: native-gil


async def main():
    print(await asyncio.gather(ranking(), asyncio.sleep(0)))


asyncio.run(main())
