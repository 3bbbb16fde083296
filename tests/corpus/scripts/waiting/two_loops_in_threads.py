"""Two loops, each in a thread of its own; one of them waits."""

import asyncio
import threading
import time


async def quick():
    for _ in range(40):
        await asyncio.sleep(0.01)


async def slow():
    await asyncio.sleep(0.05)
    time.sleep(0.3)  # blocks: waiting
    await asyncio.sleep(0)


async def both():
    await asyncio.gather(slow(), quick())


threads = [threading.Thread(target=asyncio.run, args=(make(),)) for make in (quick, both)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
