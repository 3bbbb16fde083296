"""What a server did before it served anybody, told apart from what it did since: pure.

A server may load what it needs in steps that take long, before its first connection. Nobody is
harmed by that, unless a connection came meanwhile and had to wait.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fournil.observe.recording.model import BlockedStep, Recording
from fournil.observe.replay.sufferers import Key, Waited


def mark_startup(recording: Recording, sufferers: Mapping[Key, list[Waited] | None]) -> Recording:
    """Return a recording in which the blocked steps are marked that were of the start-up."""
    serving_s = recording.serving_s
    if serving_s is None:
        return recording

    def marked(step: BlockedStep) -> BlockedStep:
        is_before = step.ended and step.begin_s + step.duration_s <= serving_s
        if not is_before or any(one.has_arrived for one in sufferers.get(step.key) or ()):
            return step
        parts = tuple(replace(part, at_startup=True) for part in step.parts)
        return replace(step, at_startup=True, parts=parts)

    return replace(recording, blocked=tuple(map(marked, recording.blocked)))
