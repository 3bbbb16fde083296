"""A program's output is read line by line."""

import asyncio


async def read(seconds):
    command = f"for n in 1 2 3; do echo $n; sleep {seconds}; done"
    process = await asyncio.create_subprocess_shell(command, stdout=asyncio.subprocess.PIPE)
    async for line in process.stdout:
        assert line.strip().isdigit()
    return await process.wait()


async def main():
    print(await asyncio.gather(*(read(0.1 + n / 20) for n in range(3))))


asyncio.run(main())
