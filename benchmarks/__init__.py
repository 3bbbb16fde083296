"""Benchmarks of Fournil against its named peers, through the public interface only.

```
cases/     one benchmark a file; dropping a file there is all that it takes to add one
loops      the contenders: each event loop, and Fournil's with recording on
worker     one process that measures one case on one loop and prints what it measured
plan       which measurements a run makes, in which order (pure)
summary    from measurements to medians, ratios and quartiles (pure)
report     the table (pure)
environment  the machine, the Python and the versions that were measured
command    the command line: python -m benchmarks
```

Each round measures every case on every loop, each in a fresh process, in a fresh order; the
loops of one case follow each other, so that a ratio compares neighbours in time. A ratio is
taken within a round, then its median and quartiles over all rounds: what slows a round down
slows both sides of it.
"""
