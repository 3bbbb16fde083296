"""What was seen of a thread, and what that says: why it kept others waiting, and on which line.

```
stacks       frames, and sums of time by their lines
ownership    whose code a file is
looks        a look at a thread; how it gave up the GIL when asked
classify     from looks and answers to a class: waiting, python, native, native-gil
```

All of it is pure, and above the recording's format alone, so that reports of recordings and
pools in a running program can ask it.
"""
