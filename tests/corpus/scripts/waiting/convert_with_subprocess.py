"""An upload is converted by a program."""

import asyncio
import pathlib
import shutil
import subprocess
import tempfile

CONVERT = f"{shutil.which('sleep')} 0.3 && cat"


def make_thumbnail(source: pathlib.Path) -> bytes:
    data = source.read_bytes()
    process = subprocess.run(CONVERT, shell=True, input=data, capture_output=True)  # blocks: waiting
    return process.stdout


async def upload(folder, name, data):
    path = folder / name
    path.write_bytes(data)
    await asyncio.sleep(0)
    thumbnail = make_thumbnail(path)
    return len(thumbnail)


async def main():
    with tempfile.TemporaryDirectory() as folder:
        jobs = [upload(pathlib.Path(folder), f"{n}.png", b"png" * n) for n in range(1, 3)]
        print(await asyncio.gather(*jobs))


asyncio.run(main())
