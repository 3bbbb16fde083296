"""A handler computes while a thread computes too."""

import asyncio
import threading

stop = threading.Event()


def background():
    while not stop.is_set():
        sum(number * number for number in range(2_000))


def rank(scores):
    places = {}
    for name, score in scores:
        places.setdefault(score // 10, []).append(name[::-1] + str(score))  # blocks: python
    return max(places)


async def handler(scores):
    await asyncio.sleep(0)
    return rank(scores)


async def main():
    scores = [(f"player {n}", n * 31 % 997) for n in range(500_000)]
    thread = threading.Thread(target=background)
    thread.start()
    print(await asyncio.gather(handler(scores), asyncio.sleep(0)))
    stop.set()


asyncio.run(main())
