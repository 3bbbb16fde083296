"""What a recording could not hold: pure data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unseen:
    """What the recording could not hold, as counts, and what the watch could not do."""

    events: int = 0  # overwritten
    samples: int = 0  # overwritten
    blocked: int = 0  # blocked steps whose records were overwritten
    debugged: int = 0  # blocked steps in which a debugger stood
    texts: int = 0  # names and stacks that found no room
    sites: int = 0  # pieces of code that found no slot
    tasks: int = 0  # tasks that found no slot
    loops: int = 0  # loops that found no slot
    closed_loops: int = 0  # closed loops whose slot was used again
    forks: int = 0  # forked children, which are not recorded
    signal_lost: int = 0  # the signal that the program took from the watch
    threads: int = 0  # threads to be watched that found no slot
    workers: int = 0  # workers that found no slot
    pools: int = 0  # pools that found no slot
    closed_pools: int = 0  # closed pools whose slot was used again
    calls: int = 0  # calls of pools that were overwritten
    unanswered: int = 0  # requests for a stack that the thread did not answer in time
    watch_error: int = 0  # for which the watch could not look: layout.HEADER
