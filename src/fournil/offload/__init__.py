"""Pools: functions that run elsewhere, awaited, cancelled and timed out as all else is.

```
pool        Pool: the one contract of all pools
arguments   checks of what pools are given
statistics  what pools and their workers did so far
call        Call: one function call on its way to a worker and back
mapping     what `pool.map` returns: the results of many calls, a bounded number in flight
executor    a pool as an executor of `concurrent.futures`
calling     calls on their way to threads, and outcomes on their way back to a loop
wakers      wakers of threads, and of a loop by them
watching    a descriptor of ours that a loop watches
lifetime    pools of a loop's own, which end with it
threads     ThreadPool, to_thread: workers that are threads
loop_call   a call of our loop in a thread of its default executor
default_executor  the default executor of our loop: `asyncio.to_thread`, `run_in_executor`
remote      what pools have in common whose workers share no objects with their program
remote_worker  one worker of such a pool, as the pool sees it
processes   ProcessPool, to_process: workers that are processes
interpreters  InterpreterPool: workers that are interpreters
dispatch    which call goes to which worker, what a death or a cancel does (pure)
functions   which functions workers know
template    the process that workers are forked from, as its parent sees it
channel     records over a socket pair: the parent's side of one worker
logs        log records of workers, handed to the handlers of this program
loads       what is big, on its way through shared memory
sharing     share: objects placed in shared memory once, for many calls
shared      memory of what is shared: who uses it, and when it is given back
deaths      what a worker died of
```

Only asyncio's public interface is used: pools work on any asyncio loop.
"""
