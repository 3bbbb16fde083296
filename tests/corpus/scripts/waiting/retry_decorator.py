"""A decorator tries again, with a pause."""

import asyncio
import functools
import time


def retry(times, pause):
    def decorate(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            for attempt in range(times):
                try:
                    return function(*args, **kwargs)
                except ConnectionError:
                    if attempt == times - 1:
                        raise
                    time.sleep(pause * (attempt + 1))  # blocks: waiting

        return wrapper

    return decorate


class Gateway:
    def __init__(self):
        self.calls = 0

    @retry(times=3, pause=0.12)
    def charge(self, amount):
        self.calls += 1
        if self.calls % 3:
            raise ConnectionError("busy")
        return amount


async def checkout(gateway, amount):
    await asyncio.sleep(0)
    return gateway.charge(amount)


async def main():
    gateway = Gateway()
    print(await asyncio.gather(*(checkout(gateway, amount) for amount in (3, 4))))


asyncio.run(main())
