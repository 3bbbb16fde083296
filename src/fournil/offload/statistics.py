"""Statistics of pools and their workers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WorkerStatistics:
    """What one worker of a pool did so far.

    Attributes:
        name: the worker's.
        calls: how many calls it ended.
        busy_s: how many seconds it ran functions, the call that it runs now left out.
        running: the name of the function that it runs now; None: it is idle.
    """

    name: str
    calls: int
    busy_s: float
    running: str | None


@dataclass(frozen=True)
class PoolStatistics:
    """What a pool did so far, and has to do.

    Attributes:
        queued: calls that have not begun.
        running: calls that run, abandoned ones too.
        done: calls that returned.
        failed: calls that raised, or whose worker died.
        refused: calls that never ran: they could not be sent, or there was no worker for them.
        cancelled: calls that were cancelled, before they began or while they ran.
        abandoned: of `cancelled`, those that nobody waited for while they ran on.
        workers: each worker.
    """

    queued: int
    running: int
    done: int
    failed: int
    refused: int
    cancelled: int
    abandoned: int
    workers: tuple[WorkerStatistics, ...]
