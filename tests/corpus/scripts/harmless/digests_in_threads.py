"""What lets the GIL go runs in threads."""

import asyncio
import hashlib
import time
import zlib


def work(data):
    zlib.compress(data, 1)
    time.sleep(0.1)
    return hashlib.sha256(data).hexdigest()


async def beats():
    for _ in range(40):
        await asyncio.sleep(0.01)


async def main():
    data = bytes(15_000_000)
    await asyncio.gather(beats(), *(asyncio.to_thread(work, data) for _ in range(4)))


asyncio.run(main())
