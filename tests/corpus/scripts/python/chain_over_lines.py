"""A report is written as one expression over many lines."""

import asyncio


def words(rows):
    return {
        key: sum(  # blocks: python
            price * count % 7
            for name, price, count in rows  # blocks: python
            if name.startswith(key)  # blocks: python
        )
        for key in ("rye", "wheat", "oats")
    }


async def report(rows):
    await asyncio.sleep(0)
    return words(rows)


async def main():
    rows = [(f"{('rye', 'wheat', 'oats')[n % 3]} {n}", n, n % 5) for n in range(900_000)]
    print(await asyncio.gather(report(rows), asyncio.sleep(0)))


asyncio.run(main())
