"""Pairs of programs: as they are, and mended as their advice says; estimates against the truth.

```
servers waiting queues endings computing    the pairs
pair                                        what a pair is, and a run of it
measure                                     what came of it, and whether that is good enough
load slow_module                            what the programs import
```
"""
