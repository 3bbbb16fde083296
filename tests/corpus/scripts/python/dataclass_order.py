"""A plan of jobs is sorted; dataclasses compare themselves."""

import asyncio
import dataclasses
import random

random.seed(1)


@dataclasses.dataclass(order=True)
class Job:
    priority: float
    name: str = dataclasses.field(compare=False)


async def plan(jobs):
    await asyncio.sleep(0)
    return sorted(jobs)[0]  # blocks: python


async def main():
    jobs = [Job(random.random(), f"job {n}") for n in range(60_000)]
    print(await asyncio.gather(plan(jobs), plan(jobs)))


asyncio.run(main())
