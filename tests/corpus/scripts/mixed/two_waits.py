"""A deployment runs a command, and waits a little."""

import asyncio
import subprocess
import time


class Deployment:
    def restart(self):
        subprocess.run(["sleep", "0.3"], check=True)  # blocks: waiting
        self.settle()

    def settle(self):
        time.sleep(0.2)  # blocks: waiting, also


async def main():
    deployment = Deployment()

    async def restart():
        await asyncio.sleep(0)
        deployment.restart()

    await asyncio.gather(restart(), restart(), asyncio.sleep(0.1))


asyncio.run(main())
