"""How a worker comes to be.

```
command        the command line of a process that starts or is a worker, and what it is told
forkserver     the process that workers are forked from
reaper         the parent of each of them: it says how the worker ended
spawned        a worker in a fresh interpreter, beside what a fork would take over
interpreter    a worker that is an interpreter of its own, in a thread of its parent's process
```
"""
