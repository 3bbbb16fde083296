"""A list is searched for an object whose `__eq__` looks at everything."""

import asyncio


class Recipe:
    def __init__(self, name, steps):
        self.name, self.steps = name, steps

    def __eq__(self, other):
        return all(str(a).lower() == str(b).lower() for a, b in zip(self.steps, other.steps))  # blocks: python

    __hash__ = None


async def find(book, recipe):
    await asyncio.sleep(0)
    return book.index(recipe)


async def main():
    book = [Recipe(f"bread {n}", [*range(40), n]) for n in range(25_000)]
    print(await asyncio.gather(find(book, Recipe("wanted", [*range(40), 24_999])), asyncio.sleep(0)))


asyncio.run(main())
