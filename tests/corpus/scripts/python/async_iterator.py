"""An asynchronous iterator that has nothing to wait for."""

import asyncio


class Words:
    def __init__(self, text):
        self.text, self.at = text, 0

    def __aiter__(self):
        return self

    async def __anext__(self):
        if self.at >= len(self.text):  # blocks: python
            raise StopAsyncIteration
        end = self.text.find(" ", self.at)  # blocks: python
        end = len(self.text) if end < 0 else end  # blocks: python
        word, self.at = self.text[self.at : end], end + 1  # blocks: python
        return word


async def count(text):
    counts = {}
    async for word in Words(text):  # blocks: python
        key = word.strip(".,").casefold()  # blocks: python
        counts[key] = counts.get(key, 0) + 1  # blocks: python
    return len(counts)


async def main():
    text = "rye, wheat. spelt oats " * 150_000
    print(await asyncio.gather(count(text), asyncio.sleep(0)))


asyncio.run(main())
