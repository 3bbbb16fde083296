"""A file is sent inside JSON."""

import asyncio
import base64

FILE = bytes(range(256)) * 1_200_000


async def attach():
    await asyncio.sleep(0)
    return len(base64.b64encode(FILE))  # blocks: native-gil


async def main():
    print(await asyncio.gather(attach(), asyncio.sleep(0)))


asyncio.run(main())
