"""Words are counted with a Counter."""

import asyncio
import collections
import random

random.seed(1)
WORDS = [random.choice("rye wheat spelt oats barley".split()) + str(random.randrange(9_000)) for _ in range(1_500_000)]


async def cloud():
    await asyncio.sleep(0)
    return collections.Counter(WORDS).most_common(1)  # blocks: native-gil


async def main():
    print(await asyncio.gather(cloud(), asyncio.sleep(0)))


asyncio.run(main())
