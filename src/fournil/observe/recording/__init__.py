"""What a recording holds, in seconds and names.

```
reading            a file becomes raw sections, checked; what is new since they were last read
decode events      the raw sections' numbers become values: slots and samples; events; tasks
  tasks
model              what a recording says, as data
samples blocked    what the watch saw, sorted by step; judged and grouped
live               the state that grows by what is read, and snapshots of it
program            which recordings are of one program, and all of them as one
carried            functions that came from another process, told by their own file
lag lazy           how late loops were; what is made when it is asked for
```
"""
