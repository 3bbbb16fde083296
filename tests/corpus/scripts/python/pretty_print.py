"""A debug page shows all that is known, nicely."""

import asyncio
import pprint

STATE = {f"user{n}": {"cart": [n, n + 1], "name": f"N{n}", "seen": {"a": 1, "b": (n,)}} for n in range(4_500)}


async def debug_page():
    await asyncio.sleep(0)
    return "<pre>" + pprint.pformat(STATE) + "</pre>"  # blocks: python


async def main():
    page, _ = await asyncio.gather(debug_page(), asyncio.sleep(0))
    print(len(page))


asyncio.run(main())
