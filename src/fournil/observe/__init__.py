"""What a recording says: facts, judgements, and how they are shown.

The rooms, each of which may import those above it, and `words`, the numbers and names as people
read them:

```
recording   a file becomes tasks, loops, steps, blocked steps: seconds and names
replay      the recorded run again, with some of its steps elsewhere
advice      what would help, and what it would gain
report      what is worth telling, and what could not be seen; as text and as JSON
```

Only `recording.reading`, `report.render` and `report.publish` do I/O.
"""
