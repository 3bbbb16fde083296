"""The recording: the contract between the recorder and everything that reads.

A recording is one mapped file. A running program writes into it and any process of
the same user reads it, while the program runs, when it is stuck, or after it died.
`layout` says where each field is, `kinds` says what the numbers mean, `units` turns
packed numbers into nanoseconds and seconds. Nothing else in the project knows a byte of it.
`hook` is where pools find the recorder.

```
header    who recorded, when, how to turn ticks into time, where the sections are, counters
text      strings and stacks, each stored once, never overwritten; when full, counted
sites     one slot for each piece of code that ran as a step, with its totals
tasks     one slot for each task, with its totals; the slots of ended tasks are used again
threads   one slot for each loop, and one for the main thread while it runs no loop
pools     one slot for each pool of workers, with its totals
samples   a ring: what the watch saw of blocked steps
events    a ring: each step, wait of the loop, birth and end of a task
calls     a ring: each call of a pool that came to its end
```

A string in `text` is named by its offset there: four bytes of length, then UTF-8. Offset 0
is no string. A stack is a string too: a line a frame, innermost first, each with file, line
number and function, separated by the unit separator (U+001F).

The totals of a site are those of its callbacks and of its tasks that ended; a pending task's
totals are in its own slot until it ends.

The rings overwrite their oldest entries. `events_head`, `samples_head` and `calls_head` in the
header count all entries ever written, so a reader knows what was dropped. Totals live in slots
and are never dropped.

Writers: threads that hold the GIL write `events`, `calls`, `sites`, `tasks`, `threads`,
`pools`; the watch's native thread, which holds no GIL, also writes `samples` and `text`. These two
are shared, so their places are handed out by atomic addition.
"""
