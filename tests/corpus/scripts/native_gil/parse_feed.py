"""A feed is parsed by ElementTree."""

import asyncio
import xml.etree.ElementTree as ElementTree

FEED = "<feed>" + "".join(f"<item id='{n}'><name>rye {n}</name><p>{n}</p></item>" for n in range(150_000)) + "</feed>"


async def refresh():
    await asyncio.sleep(0)
    root = ElementTree.fromstring(FEED)  # blocks: native-gil|gc
    return len(root)


async def main():
    print(await asyncio.gather(refresh(), asyncio.sleep(0)))


asyncio.run(main())
