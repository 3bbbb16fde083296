"""Sales are grouped with polars."""

import asyncio

import polars as pl

SALES = pl.DataFrame({"shop": [n * 7919 % 60_000 for n in range(6_000_000)], "total": list(range(6_000_000))})


async def best():
    await asyncio.sleep(0)
    totals = SALES.group_by("shop").agg(pl.col("total").sum().alias("sum"), pl.col("total").median().alias("middle"))  # blocks: native|waiting
    return totals.height


async def main():
    print(await asyncio.gather(best(), best(), asyncio.sleep(0)))


asyncio.run(main())
