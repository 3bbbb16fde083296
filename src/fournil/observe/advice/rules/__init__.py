"""The rules of advice, in the order in which they are asked: the first that applies speaks.

```
rule        what a rule is, and how to add one
situations  where the place is special: imports, destructors, signal handlers, the collector
sending     what cannot be sent to a process, or costs more to send than it takes
threads     what waits for a moment, a program, a thread, a lock
waiting     what waits for servers, databases, files, and whatever else is off the CPU
computing   what uses the CPU
```
"""

from fournil.observe.advice.rules import computing, sending, situations, threads, waiting

RULES = (
    *situations.RULES,
    *sending.RULES,
    *threads.RULES,
    *waiting.RULES,
    *computing.RULES,
    situations.LIBRARY,
)
