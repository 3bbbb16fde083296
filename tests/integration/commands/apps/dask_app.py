"""Coroutine functions that Dask's workers run in their loops."""

import work
from distributed import Client, LocalCluster


async def waits(number):
    return work.wait()


async def computes(number):
    return work.compute()


if __name__ == "__main__":
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        client.gather([*client.map(waits, range(3)), *client.map(computes, range(3))])
