"""A thread runs Python code, and gives the GIL up when it is asked."""

import asyncio
import threading


def index(words):
    counts = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    print(len(counts))


async def beats():
    for _ in range(50):
        await asyncio.sleep(0.01)


async def main():
    words = [f"w{n % 999}" for n in range(50_000)] * 60
    thread = threading.Thread(target=index, args=(words,))
    thread.start()
    await beats()
    await asyncio.to_thread(thread.join)


asyncio.run(main())
