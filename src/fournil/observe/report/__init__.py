"""A recording's report: what is worth telling, and how it is shown.

```
findings endings notes    what is worth telling, and what could not be seen
processes titles          the same of a program of several processes, and what they are called
sections page → render    as text
  phrases process_lines
document                  as JSON
publish                   all of it: load, print, write
```
"""
