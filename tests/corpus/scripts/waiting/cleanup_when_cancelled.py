"""A task that is cancelled says goodbye in its `finally`."""

import asyncio
import time


class Lease:
    def release(self):
        time.sleep(0.3)  # blocks: waiting


async def hold(lease):
    try:
        await asyncio.Event().wait()
    finally:
        lease.release()


async def main():
    task = asyncio.create_task(hold(Lease()))
    beat = asyncio.create_task(asyncio.sleep(0.1))
    await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.wait([task, beat])


asyncio.run(main())
