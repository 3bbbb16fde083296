"""orjson is fast, but not without limits."""

import asyncio

import orjson

ROWS = [{"id": n, "name": f"rye {n}", "tags": ["dark", "fresh"], "price": n / 7} for n in range(700_000)]


async def handler():
    await asyncio.sleep(0)
    return orjson.dumps(ROWS, option=orjson.OPT_INDENT_2)  # blocks: native-gil


async def main():
    print([len(text) for text in await asyncio.gather(handler(), handler())])


asyncio.run(main())
