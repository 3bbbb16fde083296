"""An upload of CSV becomes dictionaries."""

import asyncio
import csv
import io

TEXT = "id,name,price\n" + "".join(f"{n},bread {n},{n / 7:.2f}\n" for n in range(220_000))


async def load(text):
    total = 0.0
    for row in csv.DictReader(io.StringIO(text)):  # blocks: python
        total += float(row["price"])  # blocks: python
    return total


async def main():
    tasks = [asyncio.create_task(load(TEXT)), asyncio.create_task(asyncio.sleep(0))]
    print((await asyncio.gather(*tasks))[0])


asyncio.run(main())
