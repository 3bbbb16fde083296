"""The worker's side of pools that share no objects, and what both sides share.

```
starting/        how a worker comes to be: a forkserver, a reaper for each, or an interpreter
worker           what a worker does: it reads calls, runs them, and answers
receiver         where it waits for its next call, and adaptive_spin, whether it spins for it
sender           how it writes, whatever else in it has something to say meanwhile
payloads         what is big, on its way to this worker and back
control_block    what it says in memory that outlives it: what it began, what it answered
logs             log records on their way to the parent
pickling/        an object or an exception as bytes and buffers, and back
memory/          memory that both sides see: who lends it, who borrows it, when it is free again
running          which call runs in this thread, whoever runs it
wire             the records that calls and answers travel as
own              what was opened here, known by what it is and not by its number
naming           names and texts of objects in messages
handlers         what handlers of signals raise, told apart from what objects do
imports          what is to be done when a module is imported
```

Only the standard library is imported, so that a worker starts in milliseconds, and only what it
needs: cloudpickle when something needs it, numpy when there is an array, logging when a function
uses it.
"""
