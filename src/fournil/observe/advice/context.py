"""What the rules of advice look at: the stack of a blocked step, and the source of its lines."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from itertools import pairwise
from pathlib import PurePath
from typing import NamedTuple

from fournil.evidence.classify import Blocker
from fournil.evidence.ownership import Ownership
from fournil.evidence.stacks import Frame, plain_name
from fournil.observe.advice.locks import Held, locks_around
from fournil.observe.advice.program import Module, Sources
from fournil.observe.advice.rules.rule import Situation
from fournil.observe.advice.work import NOTHING, Work, find_work, is_small
from fournil.observe.recording.model import BlockedGroup, Recording
from fournil.record.kinds import Kind

CONTAINERS = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)

IMPORTER = "importlib._bootstrap"


class Place(NamedTuple):
    """A line of the user's own code, and what it did."""

    frame: Frame
    module: Module | None  # None: its source cannot be read, as for the next two
    scope: ast.AST | None
    work: Work
    called: str  # the function that the line had called; empty: C code, or none


class Context(NamedTuple):
    """A group of blocked steps, as far as the rules can see it."""

    blocker: Blocker
    threshold_s: float
    situation: Situation
    inside: tuple[tuple[str, str], ...]
    """Module and function of the frames inside the user's line, outermost first."""
    around: tuple[tuple[str, str], ...]
    """The same of libraries' frames between that line and the one that may await."""
    called: str  # the innermost function of all
    cause: Place  # the innermost line of the user's
    place: Place  # the innermost that may await; of a callback, its own
    between: tuple[Place, ...]  # the user's lines from the first of these to the second
    may_await: bool  # False: no line is known that may
    in_callback: bool
    in_lambda: bool  # and the callback is one
    waited_for_gil: bool
    holder: str  # who held the GIL meanwhile; empty where it is not known
    held: Held | None  # the lock that the line that took the time holds
    held_around: Held | None  # that the line holds that may await
    runs: str  # the file of the function that it calls; empty: it calls none of the program's own

    @property
    def is_direct(self) -> bool:
        """Whether the line that took the time is the one that may await."""
        return self.cause.frame == self.place.frame


def look_at(group: BlockedGroup, recording: Recording, sources: Sources) -> Context | None:
    """Return what the rules look at; None where the watch saw nothing."""
    if group.blocker is None:
        return None
    ownership = Ownership(recording.meta)
    frames = group.frames or (group.culprit,)
    own = [place for place, frame in enumerate(frames) if ownership.is_own(frame.file)] or [0]
    in_callback = group.longest.kind != Kind.TASK
    places = [_place(frames, index, sources) for index in own]
    cause = _cause(places)
    situation, cause = _situation(group.blocker, places, frames, own, cause)
    first = places.index(cause)
    await_at, may_await = _where_to_await(places[first:], in_callback=in_callback)
    between = places[first : places.index(await_at)]
    inner = own[first]

    def named(part: Sequence[Frame]) -> tuple[tuple[str, str], ...]:
        return tuple(
            (_module(ownership.short_path(frame.file)), plain_name(frame.function))
            for frame in reversed(part)
            if not ownership.is_own(frame.file)
        )

    return Context(
        blocker=group.blocker,
        threshold_s=recording.threshold_s,
        situation=situation,
        inside=named(frames[:inner]),
        around=named(frames[inner + 1 : own[places.index(await_at)]]),
        called=plain_name(frames[0].function),
        cause=cause,
        place=await_at,
        between=tuple(between),
        may_await=may_await,
        in_callback=in_callback,
        in_lambda=in_callback and isinstance(places[-1].scope, ast.Lambda),
        waited_for_gil=group.waited_for_gil,
        holder=_holder(group, recording) if group.waited_for_gil else "",
        held=_locks(places[first:]),
        held_around=_locks(places[places.index(await_at) :]),
        runs=places[places.index(await_at) - 1].frame.file if await_at is not places[0] else "",
    )


def _locks(places: Sequence[Place]) -> Held | None:
    return locks_around(
        (place.frame.file, place.module, place.scope, place.frame.line)
        for place in places
        if place.module is not None and place.scope is not None
    )


def _place(frames: tuple[Frame, ...], index: int, sources: Sources) -> Place:
    frame = frames[index]
    called = frames[index - 1] if index else None
    name = plain_name(called.function) if called else ""
    module = sources.module(frame.file)
    scope = module.scope_of(frame) if module else None
    if module is None or scope is None:
        return Place(frame, None, None, NOTHING, name)
    callee = None
    if called and (other := sources.module(called.file)):
        callee = other.scope_of(called)
    return Place(frame, module, scope, find_work(module, scope, frame.line, called, callee), name)


def _cause(places: list[Place]) -> Place:
    """Return the innermost place whose own work it was.

    What a comprehension does, its function does; what a key to sort by does, the sorting does.
    """
    for place, outer in pairwise(places):
        if not isinstance(place.scope, ast.expr) and not outer.work.is_handed:
            return place
    return places[-1]


def _situation(
    blocker: Blocker,
    places: list[Place],
    frames: tuple[Frame, ...],
    own: list[int],
    cause: Place,
) -> tuple[Situation, Place]:
    if blocker in {Blocker.GC, Blocker.STARVED}:
        return "", cause
    for place, index in zip(reversed(places), reversed(own), strict=True):
        imports = isinstance(place.work.statement, (ast.Import, ast.ImportFrom))
        inner = frames[index - 1] if index else None
        if imports and inner is not None and IMPORTER in inner.file:
            at_top = plain_name(place.frame.function) == "<module>"
            return "imported" if at_top else "import", place
    for place in places:
        name = plain_name(place.frame.function)
        if name == "__del__":
            return "destructor", cause
        if place.module is not None and _handles_signals(place.module, name):
            return "signal handler", cause
    if cause.module is not None and cause.work.statement is None:
        return "no line", cause
    if cause.work.is_awaited:
        return "awaited", cause
    if blocker is Blocker.NATIVE_GIL and _only_makes_containers(cause):
        return "containers", cause
    if _makes_many(cause):
        return "comprehension", cause
    return "", cause


def _only_makes_containers(cause: Place) -> bool:
    """Whether a line makes lists and the like, and calls nothing that could take long."""
    work = cause.work
    if work.statement is None or cause.called.isidentifier() or work.is_lazy:
        return False
    nodes = [node for one in work.expressions for node in ast.walk(one)]
    return any(isinstance(node, CONTAINERS) for node in nodes) and not any(
        isinstance(node, (ast.BinOp, ast.GeneratorExp))
        or (isinstance(node, ast.Call) and not is_small(node))
        for node in nodes
    )


def _makes_many(cause: Place) -> bool:
    """Whether a comprehension makes many objects, and each in no time."""
    expression = cause.work.expression
    if cause.called.isidentifier():
        return False
    if isinstance(expression, (ast.ListComp, ast.SetComp)):
        return not isinstance(expression.elt, ast.Call)
    return isinstance(expression, ast.DictComp)


def _handles_signals(module: Module, name: str) -> bool:
    if module.imports.get("signal") is None and "signal.signal" not in module.imports.values():
        return False
    return any(
        isinstance(node, ast.Call)
        and module.origin(node.func) == "signal.signal"
        and len(node.args) == 2
        and name in {getattr(node.args[1], "id", ""), getattr(node.args[1], "attr", "")}
        for node in ast.walk(module.tree)
    )


def _where_to_await(places: list[Place], *, in_callback: bool) -> tuple[Place, bool]:
    """Return the innermost of the user's lines that can await: a coroutine's.

    A callback has none; there, it is the user's outermost line, the callback itself.
    """
    if in_callback:
        functions = [place for place in places if not isinstance(place.scope, ast.Lambda)]
        return (functions or places)[-1], True
    for place in places:
        if isinstance(place.scope, (ast.AsyncFunctionDef, ast.Module)):
            return place, True
    if any(place.module is not None for place in places):
        return places[0], False
    # Without a source, the caller of the culprit's function is taken to be one.
    return places[min(1, len(places) - 1)], True


def _module(path: str) -> str:
    """Return the module of a library's file.

    >>> _module("requests/sessions.py"), _module("json/__init__.py")
    ('requests.sessions', 'json')
    >>> _module("<frozen importlib._bootstrap>")
    'importlib._bootstrap'
    """
    path = path.removeprefix("<frozen ").removesuffix(">")
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _holder(group: BlockedGroup, recording: Recording) -> str:
    """Return which thread kept the GIL while the longest step waited for it."""
    if found := group.holder:
        name = f"thread {found.name!r}" if found.name else "another thread"
        place = f"{PurePath(found.culprit.file).name}:{found.culprit.line}"
        return f"{name} ({found.culprit.function}, {place})"
    step = group.longest
    end = step.begin_s + step.duration_s
    for other in recording.blocked:
        if (
            other.thread != step.thread
            and other.blocker in (Blocker.PYTHON, Blocker.NATIVE_GIL)
            and other.begin_s < end
            and step.begin_s < other.begin_s + other.duration_s
        ):
            thread = recording.threads.get(other.thread)
            name = f"thread {thread.name!r}" if thread and thread.name else "another loop"
            return f"{name} ({other.culprit.function}, line {other.culprit.line})"
    return ""
