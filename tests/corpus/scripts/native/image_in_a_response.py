"""A picture is encoded while the answer is written."""

import asyncio
import io

from PIL import Image


async def picture(writer, image):
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=9)  # blocks: native|native-gil
    writer.write(out.getvalue())
    await asyncio.sleep(0)


class Writer:
    def write(self, data):
        print(len(data))


async def main():
    image = Image.effect_mandelbrot((1_400, 1_100), (-2, -1.5, 1, 1.5), 60)
    async with asyncio.timeout(30):
        await asyncio.gather(picture(Writer(), image), asyncio.sleep(0))


asyncio.run(main())
