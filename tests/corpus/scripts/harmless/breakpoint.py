"""Somebody debugs a handler, and thinks about what it shows."""

import asyncio
import os
import pdb
import sys
import threading
import time

reading, writing = os.pipe()


def type_commands():
    with os.fdopen(writing, "w") as keyboard:
        for command in ("p number", "n", "c"):
            time.sleep(0.25)
            print(command, file=keyboard, flush=True)


async def handler(number):
    await asyncio.sleep(0.01)
    debugger = pdb.Pdb(stdin=os.fdopen(reading), stdout=sys.stdout)
    debugger.set_trace()
    return number * 2


async def main():
    threading.Thread(target=type_commands).start()
    print(await asyncio.gather(handler(3), asyncio.sleep(0.1)))


asyncio.run(main())
