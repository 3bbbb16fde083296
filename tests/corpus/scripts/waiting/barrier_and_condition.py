"""Threads and the loop meet at a barrier, and at a condition."""

import asyncio
import threading
import time

barrier = threading.Barrier(2)
condition = threading.Condition()


def worker():
    time.sleep(0.25)
    barrier.wait()
    time.sleep(0.25)
    with condition:
        condition.notify_all()


async def start():
    await asyncio.sleep(0)
    barrier.wait()  # blocks: waiting


async def finish():
    with condition:
        condition.wait()  # blocks: waiting, also


async def main():
    thread = threading.Thread(target=worker)
    thread.start()
    ticks = asyncio.create_task(asyncio.sleep(0.1))
    await start()
    await finish()
    await ticks
    thread.join()


asyncio.run(main())
