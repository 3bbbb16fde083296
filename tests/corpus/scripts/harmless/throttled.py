"""A quota lets the program run for 20 of every 120 ms."""

import asyncio
import os
import subprocess
import time


async def handler():
    for _ in range(12):
        begin = time.thread_time()
        while time.thread_time() - begin < 0.012:
            pass
        await asyncio.sleep(0)


async def main():
    pid = os.getpid()
    script = f"while kill -STOP {pid}; do sleep 0.1; kill -CONT {pid}; sleep 0.02; done"
    with subprocess.Popen(["sh", "-c", script]) as quota:
        await asyncio.gather(handler(), handler())
        quota.kill()
        os.kill(pid, 18)


if __name__ == "__main__":
    child = os.fork()
    if child == 0:
        asyncio.run(main())
        os._exit(0)
    # The one that is stopped may not be the one that continues it.
    done = False
    while not done:
        pid, _ = os.waitpid(child, os.WNOHANG)
        done = pid == child
        if not done:
            os.kill(child, 18)
            time.sleep(0.25)
