"""A digest is computed by the loop's thread while others run Python."""

import asyncio
import hashlib
import threading

stop = threading.Event()


def background():
    total = 0
    while not stop.is_set():
        total += sum(range(500))


async def handler(body):
    await asyncio.sleep(0)
    return hashlib.sha3_256(body).hexdigest()[:6]  # blocks: native


async def main():
    thread = threading.Thread(target=background)
    thread.start()
    print(await asyncio.gather(handler(bytes(150_000_000)), asyncio.sleep(0)))
    stop.set()


asyncio.run(main())
