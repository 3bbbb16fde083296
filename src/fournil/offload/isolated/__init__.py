"""Workers that share no objects with their program: what is sent to them is pickled.

```
pool        IsolatedPool: what is common to such pools
engine      sends calls to workers, and takes back what they are too long at
supervisor  starts workers as they are needed, and replaces those that end
checks      when workers are checked, which nobody tells of
watchdog    a thread that has pools check their workers, where a timer would cost too much
worker      one worker, as its pool sees it
process     a worker that is a process
deaths      what a worker died of
dispatch    which call goes to which worker, what a death or a cancel does (pure)
functions   the functions of a pool, packed, and when they are packed again
known       functions and path of modules that one worker knows
payloads    arguments and results that are big, on their way through shared memory
refusals    what is raised about calls and results that cannot travel
channel     records over a socket pair: the parent's side of one worker
forkserver  the process that workers are forked from, as its parent sees it
logs        log records of workers, handed to the handlers of this program
```
"""
