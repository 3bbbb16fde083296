"""A program is stopped in the middle of a step."""

import asyncio
import os
import signal
import subprocess


async def handler():
    await asyncio.sleep(0.05)
    total = 0
    for number in range(100_000):
        total += number
        if number == 50_000:
            os.kill(os.getpid(), signal.SIGSTOP)
    return total


async def main():
    script = f"sleep 0.6; kill -CONT {os.getpid()}"
    with subprocess.Popen(["sh", "-c", script]):
        print(await asyncio.gather(handler(), asyncio.sleep(0.05)))


asyncio.run(main())
