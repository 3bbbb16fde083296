"""The mean of each row of a big matrix: in this thread, in threads, in processes.

    python examples/lecture/means_in_a_pool.py [--rows N] [--columns N]

numpy lets go of the GIL, so threads compute at the same time. Processes need the matrix: shared,
it is copied to none of them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import repeat
from time import perf_counter

import numpy as np
import numpy.typing as npt

import fournil

Matrix = npt.NDArray[np.float64]


def mean_of_row(matrix: Matrix, row: int) -> float:
    return float(matrix[row].mean())


async def means(pool: fournil.Pool, matrix: Matrix) -> list[float]:
    return [mean async for mean in pool.map(mean_of_row, repeat(matrix), range(len(matrix)))]


async def main(rows: int, columns: int) -> None:
    matrix = np.random.default_rng(15).random((rows, columns))
    began = perf_counter()
    expected = [mean_of_row(matrix, row) for row in range(rows)]
    alone = perf_counter() - began
    print(f"one after the other  {alone:6.3f} s")
    kinds: dict[str, Callable[[], fournil.Pool]] = {
        "ThreadPool": fournil.ThreadPool,
        "ProcessPool": fournil.ProcessPool,
    }
    for name, kind in kinds.items():
        async with kind() as pool:
            given = matrix
            if name == "ProcessPool":
                given = fournil.share(matrix)
            # The workers start with their first calls.
            await means(pool, given[: 2 * pool.workers])
            began = perf_counter()
            found = await means(pool, given)
            took = perf_counter() - began
        assert found == expected
        speed, efficiency = alone / took, alone / took / pool.workers
        print(
            f"{name:<20} {took:6.3f} s  {speed:5.1f} times as fast with"
            f" {pool.workers} workers ({efficiency:.0%} of what they could)"
        )


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=50)
    options.add_argument("--columns", type=int, default=1_000_000)
    given = options.parse_args()
    fournil.run(main(given.rows, given.columns))
