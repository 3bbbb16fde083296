"""Rules that customers write are evaluated."""

import asyncio

RULE = "sum(price * count for price, count in lines if price % 3 and count % 7) > limit"


async def applies(rule, lines):
    await asyncio.sleep(0)
    return eval(rule, {"lines": lines, "limit": 10**6, "sum": sum})  # blocks: python


async def main():
    lines = [(n % 31, n % 17) for n in range(2_500_000)]
    print(await asyncio.gather(applies(RULE, lines), asyncio.sleep(0)))


asyncio.run(main())
