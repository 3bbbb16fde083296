"""One sentence for all lines that call what blocks, where several do: pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePath

from fournil.evidence.stacks import Frame, plain_name
from fournil.observe.advice.context import Context, look_at
from fournil.observe.advice.edits import Edit
from fournil.observe.advice.program import Module, Sources
from fournil.observe.advice.sentence import Said, say
from fournil.observe.recording.model import BlockedGroup, Recording

MOST = 5
"""So many lines are told; a program that blocks at more has one place where it is mended."""


def say_all(group: BlockedGroup, recording: Recording, sources: Sources) -> Said | None:
    """Return what is said of a group of blocked steps, at all lines that led to them."""
    context = look_at(group, recording, sources)
    if context is None:
        return None
    said = say(context)
    for other in _others(group, context, recording, sources):
        module = sources.module(said.file)
        said = _with(said, say(other), other.place.frame, module)
    return said


def _others(
    group: BlockedGroup, context: Context, recording: Recording, sources: Sources
) -> Iterator[Context]:
    """Yield what the steps look like that were called from other lines than the longest."""
    if context.is_direct:
        return
    places = {context.place.frame}
    for step in group.steps:
        if len(places) > MOST or not places.isdisjoint(step.frames):
            continue
        one = BlockedGroup(group.blocker, step.culprit, (step,))
        other = look_at(one, recording, sources)
        if other and not other.is_direct and other.place.frame not in places:
            places.add(other.place.frame)
            yield other


def _with(said: Said, other: Said, frame: Frame, module: Module | None) -> Said:
    """Return a sentence that is about another line as well."""
    place = f"`{plain_name(frame.function)}` at {PurePath(frame.file).name}:{frame.line}"
    if not said.is_written or not other.is_written:
        return said
    said = said._replace(text=f"{said.text} The same in {place}.")
    if not said.edits or not other.edits or module is None or other.file != said.file:
        return said._replace(edits=())
    added = [edit for edit in _renamed(other.edits, said.edits, module) if edit not in said.edits]
    return said._replace(edits=(*said.edits, *added))


def _renamed(edits: tuple[Edit, ...], beside: tuple[Edit, ...], module: Module) -> Iterator[Edit]:
    """Yield edits whose function has a name that others do not define differently."""
    defined = {found[1]: edit for edit in beside if (found := _defines(edit))}
    for edit in edits:
        found = _defines(edit)
        if found and edit != defined.get(found[1], edit):
            number = 2
            while (name := f"{found[1]}_{number}") in module.names or name in defined:
                number += 1
            pattern = re.compile(rf"\b{found[1]}\b")
            edits = tuple(one._replace(text=pattern.sub(name, one.text)) for one in edits)
    yield from edits


def _defines(edit: Edit) -> re.Match[str] | None:
    return re.match(r"def (\w+)\(", edit.text)
