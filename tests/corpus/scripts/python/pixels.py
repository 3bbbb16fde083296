"""A picture's pixels are read one by one."""

import asyncio

from PIL import Image


def average(image):
    total = [0, 0, 0]
    for y in range(image.height):
        for x in range(image.width):
            for band, value in enumerate(image.getpixel((x, y))):  # blocks: python
                total[band] += value  # blocks: python
    return [value // (image.width * image.height) for value in total]


async def describe(image):
    await asyncio.sleep(0)
    return average(image)


async def main():
    image = Image.new("RGB", (700, 700), (12, 80, 250))
    print(await asyncio.gather(describe(image), asyncio.sleep(0)))


asyncio.run(main())
