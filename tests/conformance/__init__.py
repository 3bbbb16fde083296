"""Runs CPython's own asyncio tests on Fournil's loop, and holds the outcomes against asyncio's.

```
suite.py          the test modules of the interpreter that runs
child.py          a process that runs one of them on one loop
running.py        starts such processes, and survives their hangs and crashes
deviations.toml   the tests that fail on our loop, with the reason
deviations.py     reads it
verdicts.py       which outcomes are wrong (pure)
__main__.py       the command: python -m tests.conformance
```
"""
