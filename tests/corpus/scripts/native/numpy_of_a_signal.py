"""A signal is smoothed by numpy."""

import asyncio

import numpy as np

SIGNAL = np.random.default_rng(2).random(16_000_000)


def energy(signal):
    return np.sqrt(np.power(signal, 1.7) + 2).sum()  # blocks: native


async def measure():
    await asyncio.sleep(0)
    return energy(SIGNAL)


async def main():
    print(await asyncio.gather(measure(), measure()))


asyncio.run(main())
