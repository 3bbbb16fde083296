"""A frame of polars becomes dictionaries."""

import asyncio

import polars as pl

FRAME = pl.DataFrame({"id": range(250_000), "name": [f"rye {n}" for n in range(250_000)], "price": [n / 7 for n in range(250_000)]})


async def rows():
    await asyncio.sleep(0)
    return len(FRAME.to_dicts())  # blocks: native-gil|python


async def main():
    print(await asyncio.gather(rows(), asyncio.sleep(0)))


asyncio.run(main())
