"""A coroutine takes from a queue that threads use."""

import asyncio
import queue
import threading
import time

jobs = queue.Queue()


def produce():
    for number in range(3):
        time.sleep(0.15)
        jobs.put(number)
    jobs.put(None)


async def consume():
    done = 0
    while True:
        job = jobs.get()  # blocks: waiting
        if job is None:
            return done
        done += job
        await asyncio.sleep(0)


async def other():
    for _ in range(20):
        await asyncio.sleep(0.01)


async def main():
    threading.Thread(target=produce).start()
    print(await asyncio.gather(consume(), other()))


asyncio.run(main())
