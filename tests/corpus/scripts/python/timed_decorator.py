"""A decorator measures what it wraps, and finds it slow."""

import asyncio
import functools
import time


def timed(function):
    @functools.wraps(function)
    def wrapper(*args):
        begin = time.perf_counter()
        try:
            return function(*args)
        finally:
            print(function.__name__, f"{time.perf_counter() - begin:.1f} s")

    return wrapper


@timed
def primes(limit):
    found = []
    for number in range(2, limit):
        if all(number % prime for prime in found if prime * prime <= number):  # blocks: python
            found.append(number)
    return found


async def handler():
    await asyncio.sleep(0)
    return len(primes(60_000))


async def main():
    print(await asyncio.gather(handler(), asyncio.sleep(0)))


asyncio.run(main())
