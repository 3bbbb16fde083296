"""A large body is parsed."""

import asyncio
import json

BODY = json.dumps([{"id": n, "name": f"rye {n}", "price": n / 7} for n in range(150_000)])


class Request:
    def __init__(self, body):
        self._body = body

    def json(self):
        return json.loads(self._body)  # blocks: native-gil


async def handler(request):
    await asyncio.sleep(0)
    return len(request.json())


async def main():
    print(await asyncio.gather(handler(Request(BODY)), handler(Request(BODY))))


asyncio.run(main())
