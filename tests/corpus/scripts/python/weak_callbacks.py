"""Finalizers run when what they watch goes away."""

import asyncio
import weakref


class Upload:
    pass


class Registry:
    def __init__(self):
        self.gone = {}

    def forget(self, number):
        self.gone[number] = f"{number:x}".zfill(12).upper()[::-1].strip("0")  # blocks: python

    def add(self, number):
        upload = Upload()
        weakref.finalize(upload, self.forget, number)
        return upload


async def clear(uploads):
    await asyncio.sleep(0)
    uploads.clear()  # blocks: python


async def main():
    registry = Registry()
    uploads = [registry.add(number) for number in range(120_000)]
    await asyncio.gather(clear(uploads), asyncio.sleep(0))
    print(len(registry.gone))


asyncio.run(main())
