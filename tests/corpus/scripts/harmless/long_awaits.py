"""What takes long is awaited."""

import asyncio


async def slow(seconds):
    await asyncio.sleep(seconds)
    process = await asyncio.create_subprocess_exec("sleep", str(seconds))
    await process.wait()


async def main():
    async with asyncio.TaskGroup() as group:
        for number in range(8):
            group.create_task(slow(0.1 + number / 20))
    try:
        await asyncio.wait_for(asyncio.Event().wait(), 0.3)
    except TimeoutError:
        print("done")


asyncio.run(main())
