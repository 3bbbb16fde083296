"""A generator asks for a page whenever one is wanted."""

import asyncio
import time


class Api:
    def get(self, page):
        time.sleep(0.12)  # blocks: waiting
        return {"items": list(range(page * 10, page * 10 + 10)), "next": page + 1}


def items(api, pages):
    page = 0
    while page < pages:
        answer = api.get(page)
        yield from answer["items"]
        page = answer["next"]


async def sync(api):
    seen = 0
    for item in items(api, 4):
        seen += item % 2
        if item % 10 == 9:
            await asyncio.sleep(0)
    return seen


async def main():
    print(await asyncio.gather(sync(Api()), asyncio.sleep(0.1)))


asyncio.run(main())
