"""Messages go round between many tasks."""

import asyncio


async def relay(source, target):
    while (item := await source.get()) is not None:
        target.put_nowait(item + 1)
    target.put_nowait(None)


async def main():
    queues = [asyncio.Queue() for _ in range(60)]
    tasks = [asyncio.create_task(relay(a, b)) for a, b in zip(queues, queues[1:])]
    for number in range(150):
        queues[0].put_nowait(number)
        await asyncio.sleep(0.001)
    queues[0].put_nowait(None)
    await asyncio.gather(*tasks)
    print(queues[-1].qsize())


asyncio.run(main())
