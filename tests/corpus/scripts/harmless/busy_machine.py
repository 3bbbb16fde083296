"""Other programs take the processor."""

import asyncio
import subprocess
import sys
import time


async def handler():
    for _ in range(20):
        begin = time.thread_time()
        while time.thread_time() - begin < 0.01:
            pass
        await asyncio.sleep(0.001)


async def main():
    await asyncio.gather(handler(), handler())


others = [subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"]) for _ in range(6)]
try:
    asyncio.run(main())
finally:
    for other in others:
        other.kill()
        other.wait()
