"""A service stops its worker thread and waits for it, in the loop."""

import asyncio
import threading
import time


class Sender:
    def __init__(self):
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._stop.is_set():
            time.sleep(0.4)

    def close(self):
        self._stop.set()
        self._thread.join()  # blocks: waiting


async def heartbeat():
    while True:
        await asyncio.sleep(0.02)


async def main():
    sender = Sender()
    beat = asyncio.create_task(heartbeat())
    await asyncio.sleep(0.1)
    sender.close()
    beat.cancel()


asyncio.run(main())
