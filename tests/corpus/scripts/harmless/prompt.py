"""A prompt in a handler, in which somebody looks around."""

import asyncio
import code
import io
import sys
import time


class Keyboard(io.TextIOBase):
    def __init__(self):
        self.lines = iter(["print(number)\n", "number * 2\n", ""])

    def readline(self, size=-1):
        time.sleep(0.15)
        return next(self.lines)


async def handler(number):
    await asyncio.sleep(0.01)
    code.interact(banner="", local={"number": number})


async def main():
    sys.stdin = Keyboard()
    await asyncio.gather(handler(3), asyncio.sleep(0.1))


asyncio.run(main())
