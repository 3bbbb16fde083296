"""A pool of processes whose functions run loops."""

import concurrent.futures
import multiprocessing
import sys

import loops

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        list(pool.map(loops.run, range(4)))
