"""A lock made of a file, taken by asking again and again."""

import asyncio
import os
import tempfile
import threading
import time


class FileLock:
    def __init__(self, path, poll=0.03):
        self.path, self.poll = path, poll

    def __enter__(self):
        while True:
            try:
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL))
                return self
            except FileExistsError:
                time.sleep(self.poll)  # blocks: waiting

    def __exit__(self, *exc):
        os.unlink(self.path)


def other_program(path):
    with FileLock(path):
        time.sleep(0.5)


async def save(path):
    await asyncio.sleep(0.1)
    with FileLock(path):
        return "saved"


async def main():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "lock")
        thread = threading.Thread(target=other_program, args=(path,))
        thread.start()
        print(await asyncio.gather(save(path), asyncio.sleep(0.2)))
        thread.join()


asyncio.run(main())
