"""A handler of SIGUSR1 writes a report, in the middle of what runs."""

import asyncio
import os
import signal

visits = {f"/page/{n}": n * 7919 % 1_000 for n in range(500_000)}


def report(number, frame):
    groups = {}
    for path, count in visits.items():
        groups.setdefault(path[:7] + str(count % 10), []).append(f"{path}={count}")  # blocks: python
    print(sorted(map(len, groups.values())))


async def handle(path):
    await asyncio.sleep(0)
    if path == "/admin/report":
        os.kill(os.getpid(), signal.SIGUSR1)
    return visits.get(path)


async def main():
    signal.signal(signal.SIGUSR1, report)
    await asyncio.gather(handle("/admin/report"), handle("/page/1"), asyncio.sleep(0))


asyncio.run(main())
