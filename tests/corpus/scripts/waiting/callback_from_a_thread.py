"""A thread hands what it found to the loop, whose callback stores it slowly."""

import asyncio
import os
import tempfile
import threading
import time


class Sink:
    def __init__(self, path, done):
        self.file, self.done = open(path, "wb"), done

    def store(self, data):
        self.file.write(data)
        self.file.flush()
        time.sleep(0.3)  # blocks: waiting
        self.done.set()


async def main():
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    with tempfile.TemporaryDirectory() as folder:
        sink = Sink(os.path.join(folder, "sink"), done)
        thread = threading.Thread(target=loop.call_soon_threadsafe, args=(sink.store, b"rye"))
        thread.start()
        await asyncio.gather(done.wait(), *(asyncio.sleep(n / 100) for n in range(20)))
        thread.join()
        sink.file.close()


asyncio.run(main())
