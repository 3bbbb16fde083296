"""A frame is walked through by its rows."""

import asyncio

import pandas as pd


async def totals(frame):
    result = {}
    for _, row in frame.iterrows():  # blocks: python
        key = row["bread"]  # blocks: python
        result[key] = result.get(key, 0) + row["price"] * row["count"]  # blocks: python
    return result


async def main():
    frame = pd.DataFrame({"bread": [f"b{n % 7}" for n in range(16_000)], "price": 2.5, "count": range(16_000)})
    result, _ = await asyncio.gather(totals(frame), asyncio.sleep(0))
    print(result)


asyncio.run(main())
