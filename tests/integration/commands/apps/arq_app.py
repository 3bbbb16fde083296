"""Jobs of arq."""

import asyncio
import os

import work
from arq import create_pool
from arq.connections import RedisSettings

SETTINGS = RedisSettings(port=int(os.environ["REDIS_PORT"]))


async def waits(context):
    work.wait()


async def computes(context):
    work.compute()


class WorkerSettings:
    functions = (waits, computes)
    redis_settings = SETTINGS
    burst = True


async def main():
    pool = await create_pool(SETTINGS)
    for _ in range(3):
        await pool.enqueue_job("waits")
        await pool.enqueue_job("computes")


if __name__ == "__main__":
    asyncio.run(main())
