"""Whether the pools of a program were worth it, and what would help: pure.

A call of a pool waits for a worker, travels there, runs, and its outcome travels back. A pool is
worth it where calls run for longer than they travel: else the loop would have had the results
sooner by itself.

How many calls ran at a time, and whether others waited meanwhile, is known from the calls that the
recording still has; what all calls took together, from the pool's totals.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from fournil.observe.recording.model import Pool, PoolCall, Recording
from fournil.observe.words import count, seconds, share, size

DEFAULT_EXECUTOR = "ThreadPoolExecutor"
"""The kind of what a loop runs `asyncio.to_thread` and `run_in_executor(None, ...)` in."""

THREADS = "ThreadPool", DEFAULT_EXECUTOR
"""The kinds of pools whose calls do not travel, and take turns for one GIL."""

LOOPS_OWN = "fournil.to_"
"""The beginning of the names of pools that a loop has by itself, and nobody else names."""

FEW = 10
"""A pool that ran fewer calls than this is too young to be judged by how many ran at a time."""

SMALL_S = 1e-3
"""Less time than this, all calls together, is none to speak of."""

TRAVEL_SHARE = 0.1
"""What travelling may take of a call's time, when pieces are as large as is advised."""

BIG_BYTES = 1 << 20
"""Arguments of so many bytes are worth being placed in shared memory once."""

IDLE_SHARE = 0.2
"""Workers that use less of the CPU than this while they run, wait for something else."""

TURNS = 0.5, 1.15
"""Threads that use so much of one core together, take turns for the GIL; with less, they wait."""

CROWDED_SHARE = 0.5
"""For so much of the time in which it had calls, calls waited and all workers were busy."""

MOST_WORKERS = 32
"""More threads than this are not advised."""


@dataclass(frozen=True, slots=True)
class Use:
    """How a pool was used, as far as the calls that are left tell; times in seconds."""

    active_s: float  # in which it had calls
    crowded_s: float  # in which calls waited, and all workers ran one
    most: int  # calls that ran at a time


class PoolAdvice(NamedTuple):
    """What would make a pool do better, and how much sooner it would have done its calls."""

    to: str  # "larger", "share", "thread", "process", "more", or "fewer"
    text: str
    gain_s: float


@dataclass(frozen=True, slots=True)
class PoolFinding:
    """A pool, and what is worth telling about it."""

    pool: Pool
    use: Use
    worth_it: bool | None  # None: it ran no call to the end
    advice: PoolAdvice | None


def find_pools(recording: Recording) -> list[PoolFinding]:
    """Return what is worth telling about each pool that was given calls, the busiest first."""
    calls_of: dict[int, list[PoolCall]] = {}
    for call in recording.calls:
        calls_of.setdefault(call.pool, []).append(call)
    cores = recording.meta.cores or 1
    found = []
    for pool in sorted(recording.pools, key=lambda pool: -pool.inside_s):
        if pool.calls:
            use = use_of(calls_of.get(pool.number & 0xFFFF, ()), pool.workers)
            worth = pool.inside_s >= pool.travelled_s if pool.ran else None
            found.append(PoolFinding(pool, use, worth, _advice(pool, use, cores)))
    return found


def title(pool: Pool) -> str:
    """Return what a person would call a pool.

    >>> from dataclasses import replace
    >>> pool = Pool(1, "ThreadPool", "crawler", 2, *[0] * 17)
    >>> title(pool), title(replace(pool, name="fournil thread"))
    ("ThreadPool 'crawler'", 'ThreadPool')
    """
    if pool.name.startswith(LOOPS_OWN):
        return pool.name
    return pool.kind if pool.name.startswith("fournil ") else f"{pool.kind} {pool.name!r}"


def use_of(calls: Sequence[PoolCall], workers: int) -> Use:
    """Return how a pool was used.

    >>> a = PoolCall(0.0, None, 0.0, 1.0, 1.0, 0, 0, 0, 0, "a", 1, 1)
    >>> use_of([a, a._replace(began_s=1.0, ended_s=3.0, received_s=3.0)], 1)
    Use(active_s=3.0, crowded_s=1.0, most=1)
    """
    active_s = crowded_s = since = 0.0
    queued = running = most = 0
    for at, changes in groupby(sorted(_changes(calls)), key=lambda change: change[0]):
        if queued:
            active_s += at - since
            if queued > running >= workers:
                crowded_s += at - since
        since = at
        for _, in_flight, in_worker in changes:
            queued += in_flight
            running += in_worker
        most = max(most, running)
    return Use(active_s, crowded_s, most)


def _changes(calls: Iterable[PoolCall]) -> Iterator[tuple[float, int, int]]:
    """Yield when how many calls came and went, and began and ended to run."""
    for call in calls:
        if call.began_s is not None and call.ended_s is not None:
            yield call.queued_s, 1, 0
            yield call.began_s, 0, 1
            yield call.ended_s, 0, -1
            yield call.received_s or call.ended_s, -1, 0


def _advice(pool: Pool, use: Use, cores: int) -> PoolAdvice | None:
    if not pool.ran:
        return None
    is_thread = pool.kind in THREADS
    ran_at_once = max(1, use.most if is_thread else min(use.most, cores))
    fed_s = pool.inside_s / ran_at_once  # with workers that never wait for their next call
    spared_s = max(0.0, use.active_s - fed_s)
    if pool.travelled_s > max(pool.inside_s, SMALL_S):
        mean_bytes = (pool.bytes_out + pool.bytes_back) // pool.ran
        if mean_bytes >= BIG_BYTES:
            return _share(pool, spared_s)
        # What a loop sends there by itself, as to resolve names, may block at any time.
        if pool.ran >= FEW and pool.kind != DEFAULT_EXECUTOR:
            return _larger(pool, spared_s)
    if pool.inside_s < SMALL_S or pool.ran < FEW:
        return None
    waited_share = 1 - pool.cpu_s / pool.inside_s
    if not is_thread and waited_share > 1 - IDLE_SHARE:
        return PoolAdvice(
            "thread",
            f"Its workers waited for {share(waited_share)} of the time that they ran calls: "
            "a `ThreadPool` does that as well, and nothing is pickled.",
            min(spared_s, pool.travelled_s),
        )
    if is_thread and _takes_turns(pool, use, cores):
        return PoolAdvice(
            "process",
            f"Its threads used {pool.cpu_s / use.active_s:.1f} cores together, for up to "
            f"{use.most} calls at a time: they take turns for the GIL. In a `ProcessPool` they "
            "run side by side.",
            max(0.0, use.active_s - pool.cpu_s / min(use.most, cores)),
        )
    if use.crowded_s > CROWDED_SHARE * use.active_s and pool.waited_s > pool.inside_s:
        return _more(pool, use, cores)
    if not is_thread and use.most * 2 <= pool.workers:
        return PoolAdvice(
            "fewer",
            f"At most {count(use.most, 'call')} ran at a time: with `workers={use.most}` it takes "
            "less memory, and is no slower.",
            0.0,
        )
    return None


def _takes_turns(pool: Pool, use: Use, cores: int) -> bool:
    return (
        cores > 1
        and use.most > 1
        and pool.inside_s > 1.5 * use.active_s
        and TURNS[0] * use.active_s <= pool.cpu_s <= TURNS[1] * use.active_s
    )


def _larger(pool: Pool, spared_s: float) -> PoolAdvice:
    inside_s, travelled_s = pool.inside_s / pool.ran, pool.travelled_s / pool.ran
    pieces = _round_up(travelled_s / max(inside_s, 1e-9) / TRAVEL_SHARE)
    return PoolAdvice(
        "larger",
        f"Calls travel for {seconds(travelled_s)} and run for {seconds(inside_s)}: give each "
        f"more to do, as {pieces:,} items a call, or call it in the loop.",
        (1 - TRAVEL_SHARE) * spared_s,
    )


def _share(pool: Pool, spared_s: float) -> PoolAdvice:
    out, back = pool.bytes_out // pool.ran, pool.bytes_back // pool.ran
    if out >= back:
        text = (
            f"Each call takes {size(out)} along: what they have in common travels once, where it "
            "is placed by `fournil.share`; or let the worker read it itself."
        )
    else:
        text = f"Each call brings {size(back)} back: return less, or write it where it is wanted."
    return PoolAdvice("share", text, spared_s)


def _more(pool: Pool, use: Use, cores: int) -> PoolAdvice | None:
    """Advise more workers where cores are free for them."""
    # What workers leave of the cores may be what others take; threads that wait need none.
    waits = pool.kind in THREADS and pool.cpu_s < TURNS[0] * use.active_s
    workers = MOST_WORKERS if waits else cores
    if workers <= pool.workers:
        return None
    shorter_s = use.active_s * (1 - pool.workers / workers)
    return PoolAdvice(
        "more",
        f"Calls waited for {seconds(pool.waited_s / pool.ran)} each while all workers were busy: "
        f"{_with_workers(pool, workers)} more run at a time.",
        min(shorter_s, max(0.0, use.active_s - pool.longest_s)),
    )


def _with_workers(pool: Pool, workers: int) -> str:
    if pool.kind == DEFAULT_EXECUTOR:
        return f"after `loop.set_default_executor(ThreadPoolExecutor({workers}))`"
    if pool.name.startswith(LOOPS_OWN):
        return f"in a `{pool.kind}(workers={workers})`"
    return f"with `workers={workers}`"


def _round_up(number: float) -> int:
    """Return the next number of one digit.

    >>> [_round_up(n) for n in (0.3, 7.2, 12, 430)]
    [1, 8, 20, 500]
    """
    power = 1
    while power * 10 < number:
        power *= 10
    return max(1, -int(-number // power)) * power
