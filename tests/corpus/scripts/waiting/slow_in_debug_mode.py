"""The loop's debug mode is on, and an old client waits."""

import asyncio
import functools
import time


def fetch(name, *, pause):
    time.sleep(pause)  # blocks: waiting
    return name


async def handler(name):
    await asyncio.sleep(0)
    return functools.partial(fetch, pause=0.25)(name)


async def main():
    print(await asyncio.wait_for(asyncio.gather(*map(handler, "ab")), 5))


asyncio.run(main(), debug=True)
