"""A column is computed by a function of each row."""

import asyncio

import pandas as pd


async def price_list(frame):
    await asyncio.sleep(0)
    labels = frame.apply(lambda row: f"{row['bread']}: {row['price']:.2f} ({row['count']})", axis=1)  # blocks: python
    return labels.str.len().sum()


async def main():
    frame = pd.DataFrame({"bread": [f"b{n % 7}" for n in range(25_000)], "price": 2.5, "count": range(25_000)})
    print(await asyncio.gather(price_list(frame), price_list(frame)))


asyncio.run(main())
