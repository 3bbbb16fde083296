"""For how long a step could not run, although it wanted to: pure.

The kernel says how long a thread wanted a CPU, at each look of the watch; the step's own thread, at
its end, how much CPU time it used. Where the watch itself got no CPU to look, it says so later; and
where it wanted none and was late all the same, the process was stopped.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from operator import attrgetter

from fournil.evidence.looks import Look, weight
from fournil.observe.recording.decode_samples import SampleOfEnd, SampleOfLate
from fournil.observe.recording.hindrances import Lack
from fournil.record.kinds import SAW_ON_CPU
from fournil.record.units import Clock

_at, _since = attrgetter("at"), attrgetter("since")

LEAST_S = 0.005
"""What lacked for less lacked nothing worth naming."""

HALF = 0.5

MOSTLY, UNCERTAIN = 0.8, 2.0
"""Of a step that had no CPU for so much of its time, it is known only roughly how much it used: up
to so many times as much as it seems."""

SOON_S = 0.25
"""A quota is asked about when the watch wakes, so long after the step's end at most."""

STOPPED_S = 0.1
"""A host that is busy with other machines lets this one stand still for less."""


def lack_of(
    step: SampleOfEnd,
    looks: Sequence[Look],
    late: Sequence[SampleOfLate],
    waited_s: float,
    clock: Clock,
) -> Lack | None:
    """Return for how long a step could not run; None: it is not known.

    Args:
        step: when it began and ended, and the CPU time that it used.
        looks: that were taken at it.
        late: when the watch could not look, in order.
        waited_s: how long it waited for something else than a CPU, as far as is known.
        clock: turns ticks into seconds.
    """
    duration_s = clock.duration(max(0, step.end - step.begin))
    soon = step.end + SOON_S * 1e9 / clock.ns_per_tick
    near = late[bisect_right(late, step.begin, key=_at) : bisect_right(late, soon, key=_since)]
    stopped_s = starved_s = 0.0
    for one in near:
        late_s = clock.duration(one.at - one.since)
        inside = max(0, min(one.at, step.end) - max(one.since, step.begin))
        if one.wanted_s < HALF * late_s and late_s - one.wanted_s >= STOPPED_S:
            stopped_s += clock.duration(inside)
        else:
            starved_s += clock.duration(inside)
    most_s = duration_s - waited_s - stopped_s
    if step.cpu_s is not None:
        most_s -= step.cpu_s
    wanted_s = 0.0
    if looks:
        wanted_s = clock.duration(sum(look.wanted for look in looks))
        wanted_s += _after_last_look(step, looks, duration_s, clock)
    elif step.cpu_s is None and not near:
        return None
    elif step.cpu_s is not None and starved_s > 0:
        wanted_s = most_s  # the watch could not look either
    if step.cpu_s is not None and wanted_s >= HALF * most_s:
        wanted_s = most_s  # what is not known was alike
    wanted_s = max(0.0, min(wanted_s, most_s))
    if wanted_s + stopped_s < LEAST_S:
        return Lack()
    throttled_s = min(wanted_s, sum(one.throttled_s for one in near))
    return Lack(wanted_s, throttled_s, stopped_s)


def was_starved(duration_s: float, lack: Lack, threshold_s: float) -> bool:
    """Tell whether a step would not have blocked, had it been able to run when it wanted to."""
    own_s = duration_s - lack.total_s
    if lack.total_s >= MOSTLY * duration_s:
        return own_s < UNCERTAIN * threshold_s
    return lack.total_s > 0 and own_s < threshold_s


def _after_last_look(
    step: SampleOfEnd, looks: Sequence[Look], duration_s: float, clock: Clock
) -> float:
    """Return how long a step that was last seen on the CPU had none after that."""
    last = looks[-1]
    if step.cpu_s is None or not last.evidence & SAW_ON_CPU:
        return 0.0
    used = sum(weight(look) for look in looks if look.evidence & SAW_ON_CPU)
    left_s = duration_s - clock.duration(last.at - step.begin)
    return max(0.0, left_s - max(0.0, step.cpu_s - clock.duration(used)))
