"""What is slow runs before, between and after the loops."""

import asyncio
import time


async def step(number):
    await asyncio.sleep(0.02)
    return number


def report(number):
    time.sleep(0.2)
    return sum(n * n % 7 for n in range(900_000)) + number


total = report(0)
for number in range(2):
    total += report(asyncio.run(step(number)))
print(total)
