"""A text is made plain, letter by letter."""

import asyncio
import unicodedata

TEXT = "Brötchen, Crème brûlée, Pão de Açúcar; " * 300_000


def plain(text):
    return unicodedata.normalize("NFKD", text)  # blocks: native-gil


async def slug():
    await asyncio.sleep(0)
    return len(plain(TEXT))


async def main():
    print(await asyncio.gather(slug(), asyncio.sleep(0)))


asyncio.run(main())
