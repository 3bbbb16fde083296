"""A recorded run, replayed with some of its steps elsewhere.

```
steps            the steps of a run, and what each of them waited for
causes arrivals  who made each step possible; when an event came, and from whom
whatif           what the run would have been
```
"""
