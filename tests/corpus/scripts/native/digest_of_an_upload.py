"""An upload's digest is told."""

import asyncio
import hashlib
import io


async def upload(body):
    await asyncio.sleep(0)
    return hashlib.file_digest(io.BytesIO(body), "sha3_512").hexdigest()[:8]  # blocks: native


async def main():
    body = bytes(80_000_000)
    print(await asyncio.gather(upload(body), asyncio.sleep(0)))


asyncio.run(main())
