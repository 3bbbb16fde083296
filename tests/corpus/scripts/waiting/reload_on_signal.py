"""SIGHUP reloads what a server knows, in the loop's handler of signals."""

import asyncio
import os
import signal
import subprocess


class Server:
    def __init__(self):
        self.settings = {}
        self.reloaded = asyncio.Event()

    def reload(self):
        out = subprocess.check_output(["sh", "-c", "sleep 0.3; echo debug=1"], text=True)  # blocks: waiting
        self.settings = dict(line.split("=") for line in out.split())
        self.reloaded.set()


async def main():
    server = Server()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, server.reload)
    asyncio.get_running_loop().call_later(0.05, os.kill, os.getpid(), signal.SIGHUP)
    waiter = asyncio.create_task(asyncio.sleep(0.2))
    await server.reloaded.wait()
    await waiter
    print(server.settings)


asyncio.run(main())
