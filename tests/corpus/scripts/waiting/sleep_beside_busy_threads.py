"""A handler waits while threads of the same program compute."""

import asyncio
import threading
import time

stop = threading.Event()


def index():
    counts = {}
    while not stop.is_set():
        for number in range(1_000):
            counts[number % 97] = counts.get(number % 97, 0) + 1


async def handler():
    await asyncio.sleep(0)
    time.sleep(0.3)  # blocks: waiting


async def main():
    threads = [threading.Thread(target=index) for _ in range(2)]
    for thread in threads:
        thread.start()
    await asyncio.gather(handler(), handler(), asyncio.sleep(0.1))
    stop.set()


asyncio.run(main())
