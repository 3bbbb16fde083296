"""A backup is compressed once an hour, by a timer."""

import asyncio
import lzma

STATE = b"".join(b"%d loaves; " % (n * n % 99_991) for n in range(45_000))


class Backup:
    def __init__(self, loop):
        self.loop, self.sizes = loop, []

    def run(self):
        self.sizes.append(len(lzma.compress(STATE)))  # blocks: native
        if len(self.sizes) < 2:
            self.loop.call_later(0.02, self.run)


async def main():
    backup = Backup(asyncio.get_running_loop())
    backup.loop.call_later(0.01, backup.run)
    while len(backup.sizes) < 2:
        await asyncio.sleep(0.01)
    print(backup.sizes)


asyncio.run(main())
