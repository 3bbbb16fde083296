"""What waits and what computes a little runs in threads, as frameworks do with plain functions."""

import asyncio
import contextvars
import time

user = contextvars.ContextVar("user")


def query(number):
    time.sleep(0.05)
    return sum(range(number)) + len(user.get())


async def handler(number):
    user.set(f"user {number}")
    return await asyncio.to_thread(query, number)


async def main():
    print(len(await asyncio.gather(*(handler(number) for number in range(60)))))


asyncio.run(main())
