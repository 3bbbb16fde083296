"""Thumbnails are made while a client waits."""

import asyncio

from PIL import Image, ImageFilter


async def thumbnail(image):
    await asyncio.sleep(0)
    soft = image.filter(ImageFilter.GaussianBlur(24))  # blocks: native
    return soft.size


async def main():
    image = Image.effect_noise((4_000, 3_000), 90).convert("RGB")
    print(await asyncio.gather(thumbnail(image), asyncio.sleep(0)))


asyncio.run(main())
