"""A ranking is kept in order."""

import asyncio
import random

random.seed(1)


class Ranking:
    def __init__(self, scores):
        self.scores = scores

    def top(self, count):
        self.scores.sort()  # blocks: native-gil
        return self.scores[-count:]


async def handler(ranking):
    await asyncio.sleep(0)
    return ranking.top(3)


async def main():
    ranking = Ranking([random.random() for _ in range(900_000)])
    print(await asyncio.gather(handler(ranking), asyncio.sleep(0)))


asyncio.run(main())
