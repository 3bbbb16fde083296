"""What would help, and what it would gain.

```
program   sources as trees: the function and the statement of a line, what names stand for
work      which expression of a line took the time
context   what a group of blocked steps looks like
rules     the rules: when each applies, what it says, how it is tried
moves     how to write it: what runs elsewhere, and what it needs there
edits     changes of a source, as they can be applied
sentence  the rule of a context, its sentence and its code
sizes     how much is sent
locks     which locks a line holds
machine   what things cost here: measured
costs     what a move costs, at best and at worst
recorded  the recorded run, replayed with steps moved
advisor   advice on blocked steps, with its gain
headroom  how many times its load a loop bears
pools     whether pools were worth it, and what would help
```
"""
