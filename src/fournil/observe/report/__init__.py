"""A recording's report: what is worth telling, and how it is shown.

```
findings endings notes    what is worth telling, and what could not be seen
sections page → render    as text
document                  as JSON
publish                   all of it: load, print, write
```
"""
