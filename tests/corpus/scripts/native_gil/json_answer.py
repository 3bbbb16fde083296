"""An answer with many rows becomes JSON."""

import asyncio
import json

ROWS = [{"id": n, "name": f"rye {n}", "tags": ["dark", "fresh"], "price": n / 7} for n in range(120_000)]


async def handler(query):
    rows = [row for row in ROWS if row["id"] >= query]
    await asyncio.sleep(0)
    return json.dumps({"rows": rows})  # blocks: native-gil


async def main():
    print([len(text) for text in await asyncio.gather(handler(0), handler(10))])


asyncio.run(main())
