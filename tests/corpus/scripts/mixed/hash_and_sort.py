"""An index is built: digests, then an order."""

import asyncio
import hashlib
import random

random.seed(5)
BLOB = bytes(350_000_000)
KEYS = [random.random() for _ in range(1_200_000)]


async def build():
    await asyncio.sleep(0)
    digest = hashlib.sha256(BLOB).hexdigest()  # blocks: native
    keys = sorted(KEYS)  # blocks: native-gil
    return digest[:8], keys[0]


async def main():
    print(await asyncio.gather(build(), asyncio.sleep(0)))


asyncio.run(main())
