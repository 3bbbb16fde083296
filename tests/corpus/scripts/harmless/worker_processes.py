"""Numbers are crunched by other processes."""

import asyncio
import concurrent.futures


def crunch(limit):
    return sum(number * number % 7 for number in range(limit))


async def main():
    loop = asyncio.get_running_loop()
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        jobs = [loop.run_in_executor(pool, crunch, 1_200_000) for _ in range(4)]
        while not all(job.done() for job in jobs):
            await asyncio.sleep(0.01)
        print(sum(job.result() for job in jobs))


if __name__ == "__main__":
    asyncio.run(main())
