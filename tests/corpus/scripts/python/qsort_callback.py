"""C code sorts, and calls Python to compare."""

import asyncio
import ctypes
import random

libc = ctypes.CDLL(None)
COMPARE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))


@COMPARE
def by_digits(left, right):
    a, b = str(left[0])[::-1], str(right[0])[::-1]  # blocks: python
    return (a > b) - (a < b)  # blocks: python


async def sort(numbers):
    await asyncio.sleep(0)
    array = (ctypes.c_int * len(numbers))(*numbers)
    libc.qsort(array, len(numbers), ctypes.sizeof(ctypes.c_int), by_digits)  # blocks: python
    return array[0]


async def main():
    random.seed(2)
    numbers = [random.randrange(10**6) for _ in range(30_000)]
    print(await asyncio.gather(sort(numbers), asyncio.sleep(0)))


asyncio.run(main())
