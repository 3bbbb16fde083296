"""Pools: functions that run elsewhere, awaited, cancelled and timed out as all else is.

```
pool        Pool: the one contract of all pools, and its statistics
call        Call: one function call on its way to a worker and back
mapping     what `pool.map` returns: the results of many calls, a bounded number in flight
executor    a pool as an executor of `concurrent.futures`
bell        how workers in other threads have a loop look at what they ended
threads     ThreadPool, to_thread: workers that are threads
```

Only asyncio's public interface is used: pools work on any asyncio loop.
"""
