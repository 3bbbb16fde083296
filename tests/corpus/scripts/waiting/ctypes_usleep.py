"""A sensor's library is called through ctypes, and waits."""

import asyncio
import ctypes

libc = ctypes.CDLL(None)


class Sensor:
    def read(self):
        libc.usleep(200_000)  # blocks: waiting
        return 21.5


async def poll(sensor, times):
    for _ in range(times):
        print(sensor.read())
        await asyncio.sleep(0.01)


async def main():
    async with asyncio.TaskGroup() as group:
        group.create_task(poll(Sensor(), 2))
        group.create_task(asyncio.sleep(0.1))


asyncio.run(main())
