"""A tree of lxml is walked through by Python code."""

import asyncio

from lxml import etree

PAGE = etree.fromstring("<page>" + "<p class='a'>rye <b>bread</b> and rolls</p>" * 180_000 + "</page>")


def words(element):
    for node in element.iter():  # blocks: python
        for text in (node.text, node.tail):  # blocks: python
            if text:  # blocks: python
                yield from text.split()  # blocks: python


async def index():
    await asyncio.sleep(0)
    return len(set(words(PAGE)))


async def main():
    print(await asyncio.gather(index(), index()))


asyncio.run(main())
