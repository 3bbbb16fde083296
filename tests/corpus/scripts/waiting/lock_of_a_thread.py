"""A cache is filled by a thread, under the lock that readers take."""

import asyncio
import threading
import time


class Cache:
    def __init__(self):
        self._lock = threading.RLock()
        self._items = {}

    def refill(self):
        with self._lock:
            time.sleep(0.35)  # a query
            self._items = {"rye": 4}

    def get(self, key):
        with self._lock:  # blocks: waiting
            return self._items.get(key)


async def handler(cache):
    return cache.get("rye")


async def main():
    cache = Cache()
    filler = threading.Thread(target=cache.refill)
    filler.start()
    await asyncio.sleep(0.05)
    print(await asyncio.gather(*(handler(cache) for _ in range(5))))
    filler.join()


asyncio.run(main())
