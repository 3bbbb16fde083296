"""Pools: functions that run elsewhere, awaited, cancelled and timed out as all else is.

```
pool        Pool: the one contract of all pools
arguments   checks of what pools are given
statistics  what pools and their workers did so far
call        Call: one function call on its way to a worker and back
calls       calls of a pool that are in flight, and what becomes of each
account     figures of a pool, and what a recorder is told of them
spin_wait   spin wait of a worker, before it sleeps
mapping     what `pool.map` returns: the results of many calls, a bounded number in flight
executor    a pool as an executor of `concurrent.futures`
forking     what becomes of pools in a forked child
lifetime    pools of a loop's own, which end with it
calling     calls on their way to threads, and outcomes on their way back to a loop
wakers      wakers of threads, and of a loop by them
watching    a descriptor of ours that a loop watches
threads     ThreadPool, to_thread: workers that are threads
loop_call   a call of our loop in a thread of its default executor
default_executor  the default executor of our loop: `asyncio.to_thread`, `run_in_executor`
processes   ProcessPool, to_process: workers that are processes
interpreters  InterpreterPool: workers that are interpreters
isolated    workers that share no objects with their program, whatever they are
sharing     share: objects placed in shared memory once, for many calls
shared      memory of what is shared: who uses it, and when it is given back
```

Only asyncio's public interface is used: pools work on any asyncio loop.
"""
