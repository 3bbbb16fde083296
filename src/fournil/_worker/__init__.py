"""The worker's side of pools that share no objects, and what both sides share.

```
forkserver  the process that workers are forked from: it starts them, and says how they ended
worker      what a worker does: it reads calls, runs them, and answers
interpreter  a worker that is an interpreter of its own
running     which call runs in this thread, whoever runs it
wire        the records that calls and answers travel as
control block      what a worker says in memory that outlives it: what it began, what it answered
sender      how a worker writes, whatever else in it has something to say meanwhile
packing     an object as bytes and buffers, and back
reducing    how objects of some types are pickled, where pickle's own way would not do
arrays      numpy's arrays as buffers
modules     which modules the other side finds by their names
by_value    what pickle refuses, pickled by what it is made of
naming      names and texts of objects in messages
refusing    what to raise about an object that cannot travel
handlers    what handlers of signals raise, told apart from what objects do
payloads    what is big, on its way to this worker and back
own         what was opened here, known by what it is and not by its number
places      what is packed, put into shared memory
memory      memory that both sides see: who lends it, who borrows it, when it is free again
mapping     a file's memory, mapped without a descriptor
room        whether there is memory for what is big
shares      which memory of this process is shared, found by its address
failure     an exception with its traceback as bytes, and back
variables   context variables as what both sides know them by
imports     what is to be done when a module is imported
logs        log records on their way to the parent
```

Only the standard library is imported, so that a worker starts in milliseconds, and only what it
needs: cloudpickle when something needs it, numpy when there is an array, logging when a function
uses it.
"""
