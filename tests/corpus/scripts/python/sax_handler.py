"""A feed is read by a SAX handler: C code calls Python for each tag."""

import asyncio
import xml.sax

FEED = "<feed>" + "".join(f"<item id='{n}'><name>rye {n}</name></item>" for n in range(60_000)) + "</feed>"


class Items(xml.sax.ContentHandler):
    def __init__(self):
        super().__init__()
        self.items, self.path = {}, []

    def startElement(self, name, attributes):
        self.path.append(name)  # blocks: python
        if name == "item":  # blocks: python
            self.current = self.items.setdefault(attributes["id"], {})  # blocks: python

    def characters(self, text):
        if self.path[-1] == "name":
            self.current["name"] = self.current.get("name", "") + text

    def endElement(self, name):
        self.path.pop()


async def load():
    await asyncio.sleep(0)
    handler = Items()
    xml.sax.parseString(FEED.encode(), handler)  # blocks: python
    return len(handler.items)


async def main():
    print(await asyncio.gather(load(), asyncio.sleep(0)))


asyncio.run(main())
