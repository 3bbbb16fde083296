"""A checksum in C, called by ctypes, which lets the GIL go."""

import asyncio
import ctypes
import pathlib
import subprocess
import tempfile

SOURCE = "unsigned sum(unsigned n) { volatile unsigned s = 1; while (n--) s = s * 31 + n; return s; }"

with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder, "sum.so")
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-xc", "-", "-o", path], input=SOURCE.encode(), check=True)
    library = ctypes.CDLL(str(path))


async def checksum(size):
    await asyncio.sleep(0)
    return library.sum(size)  # blocks: native


async def main():
    print(await asyncio.gather(checksum(400_000_000), asyncio.sleep(0)))


asyncio.run(main())
