"""Each request gets a copy of all settings."""

import asyncio
import copy

DEFAULTS = {f"shop{n}": {"open": True, "prices": {"rye": [n, 2, 3]}, "tags": {"a", "b"}} for n in range(9_000)}


class Request:
    def __init__(self, path):
        self.path = path
        self.settings = copy.deepcopy(DEFAULTS)  # blocks: python


async def handle(path):
    await asyncio.sleep(0)
    request = Request(path)
    return len(request.settings)


async def main():
    print(await asyncio.gather(handle("/"), handle("/a"), handle("/b")))


asyncio.run(main())
