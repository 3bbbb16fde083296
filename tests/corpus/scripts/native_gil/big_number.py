"""A number is shown with all of its digits."""

import asyncio
import sys

sys.set_int_max_str_digits(0)


async def show(exponent):
    number = 7**exponent
    await asyncio.sleep(0)
    return len(str(number))  # blocks: native-gil|python


async def main():
    print(await asyncio.gather(show(220_000), asyncio.sleep(0)))


asyncio.run(main())
