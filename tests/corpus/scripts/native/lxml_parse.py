"""A catalogue is parsed by lxml."""

import asyncio

from lxml import etree

TEXT = b"<c>" + b"".join(b"<bread id='%d'><name>rye</name><p>%d</p></bread>" % (n, n) for n in range(250_000)) + b"</c>"


async def load(text):
    await asyncio.sleep(0)
    tree = etree.fromstring(text)  # blocks: native
    return len(tree)


async def main():
    print(await asyncio.gather(load(TEXT), asyncio.sleep(0)))


asyncio.run(main())
