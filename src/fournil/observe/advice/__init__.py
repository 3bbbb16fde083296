"""What would help, and what it would gain.

```
tree      a source as a tree: the function and the statement of a line
program   modules, and what names stand for in them
work      which expression of a line took the time
context   what a group of blocked steps looks like
rules     the rules: when each applies, what it says, how it is tried
choice    which rule speaks, and of which call
needs     what a piece of code needs where it is to run
sendable  what cannot be sent to a process
changes   what code changes besides what it returns
effects   why work cannot just be sent elsewhere
moves     how to write it: a call, an expression or a loop that runs elsewhere
edits     changes of a source, as they can be applied
writing   what to write as a rule says, and where
sentence  the sentence of a context
callers   one sentence for all lines that call what blocks
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
