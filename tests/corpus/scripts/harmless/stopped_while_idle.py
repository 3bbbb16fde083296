"""The whole program is stopped for a while, and continued: Ctrl-Z and `fg`."""

import asyncio
import os
import subprocess


async def tick(times):
    for _ in range(times):
        await asyncio.sleep(0.005)


async def main():
    script = f"sleep 0.1; kill -STOP {os.getpid()}; sleep 0.5; kill -CONT {os.getpid()}"
    with subprocess.Popen(["sh", "-c", script]):
        await asyncio.gather(*(tick(100) for _ in range(10)))


asyncio.run(main())
