"""Benchmarks of Fournil's pools against their peers: calls awaited from an asyncio program.

```
cases        the benchmarks: what is awaited, and what is measured of it
contenders   the pools, each on a loop, and the floor
worker       one measurement, in a fresh process
command      the command line: python -m benchmarks.pools
```

What is not said here is as in `benchmarks`: rounds in a fresh order, the contenders of one case
one after the other, ratios within a round.
"""
