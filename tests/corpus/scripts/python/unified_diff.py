"""Two versions of a page are compared."""

import asyncio
import difflib


async def diff(old, new):
    await asyncio.sleep(0)
    lines = list(difflib.unified_diff(old, new, lineterm=""))  # blocks: python
    return len(lines)


async def main():
    old = [f"line {n * 7 % 2_003}" for n in range(20_000)]
    new = [f"line {n * 11 % 1_999}" for n in range(20_000)]
    print(await asyncio.gather(diff(old, new), asyncio.sleep(0)))


asyncio.run(main())
