"""A message is packed for a queue."""

import asyncio

import msgpack

MESSAGE = {"orders": [{"id": n, "bread": f"rye {n}", "lines": [n, n + 1, n / 7]} for n in range(500_000)]}


async def publish():
    await asyncio.sleep(0)
    return len(msgpack.packb(MESSAGE))  # blocks: native-gil


async def main():
    print(await asyncio.gather(publish(), asyncio.sleep(0)))


asyncio.run(main())
