"""What a recording says: facts, judgements, and how they are shown.

```
reading                            a file becomes raw sections, checked
decode → model                     raw sections become tasks, loops, steps: seconds and names
stacks classify blocked            why and where steps blocked, from what the watch saw
lag endings                        how late loops were; tasks that did not end by themselves
scene rules causes whatif advice   what would help, and what the run would have been
findings notes                     what is worth telling, and what could not be seen
sections page words → render       as text
document                           as JSON
report                             all of it: load, print, publish
```

Only `reading`, `render` and `report` do I/O.
"""
