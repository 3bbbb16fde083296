"""A status page runs a command and reads what it prints."""

import asyncio
import os
import subprocess


class Status:
    @property
    def branch(self):
        with os.popen("sleep 0.25; echo main") as output:
            return output.read().strip()  # blocks: waiting

    @property
    def age(self):
        return int(subprocess.check_output(["sh", "-c", "sleep 0.3; echo 7"]))  # blocks: waiting, also


async def page(status):
    await asyncio.sleep(0.01)
    return {"branch": status.branch, "age": status.age}


async def main():
    ticker = asyncio.create_task(asyncio.sleep(0.05))
    print(await page(Status()))
    await ticker


asyncio.run(main())
