"""A library called through PyDLL waits, and keeps the GIL meanwhile."""

import asyncio
import ctypes

libc = ctypes.PyDLL(None)


async def read_scale():
    await asyncio.sleep(0)
    return libc.usleep(250_000)  # blocks: native-gil


async def main():
    print(await asyncio.gather(read_scale(), read_scale()))


asyncio.run(main())
