"""A log line shows an object whose `__repr__` walks through all of it."""

import asyncio
import logging

logging.basicConfig(level=logging.WARNING)
log = logging.getLogger("orders")


class Order:
    def __init__(self, lines):
        self.lines = lines

    def __repr__(self):
        text = "Order("
        for number, line in enumerate(self.lines):
            text += f"{number}: {line!r:>12}, " if number % 3 else f"[{line}]"  # blocks: python
        return text[:40] + "...)"


async def accept(order):
    await asyncio.sleep(0)
    log.debug("accepted %r", order)
    log.warning("large order %r", order)


async def main():
    await asyncio.gather(accept(Order(range(1_300_000))), asyncio.sleep(0))


asyncio.run(main())
