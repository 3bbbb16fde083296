"""Who had the GIL for which a loop waited: pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from fournil.evidence import classify
from fournil.evidence.classify import Blocker, label_holder
from fournil.evidence.looks import HolderLook, weight
from fournil.evidence.stacks import Frame
from fournil.observe.recording.hindrances import Holder, Lack
from fournil.observe.recording.model import BlockedStep
from fournil.observe.recording.samples import Samples
from fournil.record.kinds import Kind
from fournil.record.units import Clock

NameOf = Callable[[int], str]
"""Returns the name of a thread by its native number; nothing where it is not known."""


def holder_of(looks: Sequence[HolderLook], name_of: NameOf) -> Holder | None:
    """Return who had the GIL for most of the time that some looks stand for."""
    times: defaultdict[int, int] = defaultdict(int)
    for look in looks:
        times[look.native_id] += weight(look)
    if not times:
        return None
    most = max(times, key=lambda native_id: times[native_id])
    lines = classify.time_by_line([look for look in looks if look.native_id == most])
    culprit = max(lines, key=lambda frame: lines[frame], default=None)
    return None if culprit is None else Holder(name_of(most), culprit)


def waits_between_steps(
    samples: Samples, clock: Clock, name_of: NameOf, unknown: Frame, threshold_s: float
) -> Iterator[BlockedStep]:
    """Yield the waits for the GIL between two steps, in the order in which they began."""
    waits = {key: wait.end for key, wait in samples.gil_waits.items()}
    # A program that was killed, or is read while it runs, may be in one.
    for key, looks in samples.holder_looks.items():
        if key not in samples.looks and key not in samples.ended and key not in waits:
            waits[key] = looks[-1].at
    for key, end in sorted(waits.items(), key=lambda wait: wait[0][1]):
        yield _wait(key, end, samples, clock, name_of, unknown, threshold_s)


def _wait(
    key: tuple[int, int],
    end: int,
    samples: Samples,
    clock: Clock,
    name_of: NameOf,
    unknown: Frame,
    threshold_s: float,
) -> BlockedStep:
    thread, begin = key
    looks = samples.holder_looks.get(key, [])
    labels = [label_holder(look) for look in looks]
    totals: defaultdict[Blocker, int] = defaultdict(int)
    for look, of in zip(looks, labels, strict=True):
        totals[of] += weight(look)
    blocker = classify.heaviest(totals)
    speaking = [look for look, of in zip(looks, labels, strict=True) if of is blocker]
    lines = classify.time_by_line(speaking)
    culprit = max(lines, key=lambda frame: lines[frame], default=None)
    duration_s = clock.duration(end - begin)
    lack = Lack(min(duration_s, clock.duration(sum(look.wanted for look in looks))))
    if lack.wanted_s and duration_s - lack.wanted_s < threshold_s:
        blocker = Blocker.STARVED
    return BlockedStep(
        thread=thread,
        begin_ticks=begin,
        subject=0,
        kind=Kind.WAIT,
        begin_s=clock.seconds(begin),
        duration_s=duration_s,
        delay_s=0.0,
        ended=key in samples.gil_waits,
        blocker=blocker,
        frames=classify.heaviest_stack(speaking, culprit),
        culprit=culprit or unknown,
        lines={frame: clock.duration(time) for frame, time in lines.items()},
        gil_wait_s=duration_s,
        lack=lack if looks else None,
        collection=classify.greatest_collection(speaking) if blocker is Blocker.GC else None,
        holder=holder_of(speaking, name_of),
    )
