"""A log handler is slow in a thread, and holds its lock meanwhile."""

import asyncio
import logging
import threading
import time


class ToDatabase(logging.Handler):
    def emit(self, record):
        if record.levelno >= logging.WARNING:
            time.sleep(0.4)


logging.basicConfig(level=logging.INFO, handlers=[ToDatabase()])
log = logging.getLogger(__name__)


async def handle(number):
    await asyncio.sleep(0.1)
    log.info("order %d", number)  # blocks: waiting


async def main():
    thread = threading.Thread(target=log.warning, args=("disk is nearly full",))
    tasks = [asyncio.create_task(handle(number)) for number in range(4)]
    await asyncio.sleep(0.05)
    thread.start()
    await asyncio.gather(*tasks)
    thread.join()


asyncio.run(main())
