"""A large tree of lists is dropped."""

import asyncio


class Cache:
    def __init__(self, size):
        self.trees = {"a": [[(n, [n])] for n in range(size)]}

    def drop(self, key):
        del self.trees[key]  # blocks: native-gil


async def expire(cache):
    await asyncio.sleep(0)
    cache.drop("a")


async def main():
    cache = Cache(1_500_000)
    await asyncio.gather(expire(cache), asyncio.sleep(0))


asyncio.run(main())
