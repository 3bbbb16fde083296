"""A log is searched by a pattern."""

import asyncio
import re

LINES = "".join(f"2024-05-{n % 28 + 1:02} shop-{n % 97} sold {n} loaves of rye\n" for n in range(250_000))
SOLD = re.compile(r"shop-(\d+) sold (\d+) loaves of (\w+)$", re.MULTILINE)


class Search:
    def __init__(self, text):
        self.text = text

    def __iter__(self):
        return iter(SOLD.findall(self.text))  # blocks: native-gil


async def handler(search):
    await asyncio.sleep(0)
    return next(iter(search))


async def main():
    print(await asyncio.gather(handler(Search(LINES)), asyncio.sleep(0)))


asyncio.run(main())
