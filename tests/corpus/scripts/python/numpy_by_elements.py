"""A picture of numbers, computed an element at a time."""

import asyncio

import numpy as np


def blur(image):
    out = np.zeros_like(image)
    rows, columns = image.shape
    for y in range(1, rows - 1):
        for x in range(1, columns - 1):
            out[y, x] = (image[y - 1, x] + image[y + 1, x] + image[y, x - 1] + image[y, x + 1]) / 4  # blocks: python
    return out


async def preview(image):
    await asyncio.sleep(0)
    return float(blur(image).mean())


async def main():
    image = np.arange(500 * 900, dtype=float).reshape(500, 900)
    print(await asyncio.gather(preview(image), asyncio.sleep(0)))


asyncio.run(main())
