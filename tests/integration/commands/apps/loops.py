"""Loops that do both, for jobs that run one."""

import asyncio

import work


async def both():
    async def one(name):
        await asyncio.sleep(0)
        work.WORK[name]()

    await asyncio.gather(one("waits"), one("computes"), asyncio.sleep(0.01))


def run(*_):
    asyncio.run(both())
