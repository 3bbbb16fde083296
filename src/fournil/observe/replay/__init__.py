"""A recorded run, replayed with some of its steps elsewhere.

```
steps            the steps of a run, and what each of them waited for
causes arrivals  who made each step possible; when an event came, and from whom
requests         whether a server is asked when it has answered, or at any time
whatif           what the run would have been
```
"""
