"""What is sent is made in the same expression that awaits."""

import asyncio
import json

ROWS = [{"id": n, "tags": ["a", "b"], "price": n / 7} for n in range(180_000)]


class Connection:
    async def send(self, text):
        await asyncio.sleep(0)
        return len(text)


async def handler(connection):
    await asyncio.sleep(0)
    return await connection.send(json.dumps({"rows": ROWS}))  # blocks: native-gil


async def main():
    connection = Connection()
    print(await asyncio.gather(*(asyncio.shield(handler(connection)) for _ in range(2))))


asyncio.run(main())
