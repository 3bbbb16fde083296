"""A search corrects what was typed, by the distance of words."""

import asyncio
import random
import string

random.seed(3)
WORDS = ["".join(random.choices(string.ascii_lowercase, k=9)) for _ in range(12_000)]


def distance(left, right):
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        previous, row[0] = row[0], i
        for j, b in enumerate(right, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (a != b))  # blocks: python
    return row[-1]


async def suggest(typed):
    await asyncio.sleep(0)
    return min(WORDS, key=lambda word: distance(typed, word))


async def main():
    print(await asyncio.gather(*(suggest(word) for word in ("breadroll", "sourdough"))))


asyncio.run(main())
