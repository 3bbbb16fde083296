"""Benchmarks of Fournil against its named peers, through the public interface only.

There are two kinds. A *coroutine* (`case.Case`) is measured inside its process. A *service*
(`case.Service`) is a server program on one loop, measured from outside: the server keeps to one
core, and a load that is not Python to another. Between the two, a *client* (`case.Client`) of a
database server is its own load.

```
cases/     the benchmarks; dropping a file there is all that it takes to add some
servers/   server programs on asyncio's interfaces, one a file
load/      what loads them: programs in C of our own, wrk; and floors: bare epoll and futexes
backing    database servers that clients are measured with, started by the run
pools/     benchmarks of pools, which have other contenders, and a command of their own
loops      the contenders: each event loop, Fournil's with recording on, and the floor
figures    what is measured of each kind of case, and which way is better (pure)
inside     measuring a coroutine or a client in a fresh process, which is
worker       one coroutine on one loop, or
ask          one client on one loop
service    measuring a service: a load, and a fresh process, which is
serve        one server on one loop
instructions  counting a service's instructions, by callgrind
plan       which measurements a run makes, in which order (pure)
run        making them
summary    from measurements to medians, ratios and quartiles (pure)
report     the tables (pure)
niceness   measuring on a machine that others use too
environment  the machine, the Python and the versions that were measured
command    the command line: python -m benchmarks
```

Each round measures every case on every loop, each in a fresh process, in a fresh order; the
loops of one case follow each other, so that a ratio compares neighbours in time. A ratio is
taken within a round, then its median and quartiles over all rounds: what slows a round down
slows both sides of it. Where other programs share the machine, the processor time that a server
took for an operation (`cpu us`) says more than how many it did in a second.
"""
