"""What the rules of advice look at: the stack of a blocked step and the lines of its source.

The watch sees Python's frames. A call of C code, as `time.sleep(1)`, has no frame of its
own, so which function it was is read from the line of source, where there is one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from fournil.evidence.classify import Blocker
from fournil.evidence.ownership import Ownership
from fournil.evidence.stacks import Frame, plain_name
from fournil.observe.recording.model import BlockedGroup, Recording
from fournil.record.kinds import Kind

Source = Callable[[Frame], str]
"""Returns a frame's line of source, or nothing where it cannot be read."""

LONGEST_FUNCTION = 400
"""So many lines above a frame's line its `def` is looked for."""

LONGEST_LINE = 500
"""So much of a line of source is looked at; generated code may have lines of megabytes."""

_CALL = re.compile(r"([A-Za-z_][\w.]*)\s*\(")
_STRING = re.compile(r"""("|')(?:\\.|(?!\1).)*\1""")

_AROUND = re.compile(
    "print|len|list|tuple|dict|set|frozenset|str|bytes|int|float|bool|iter|next|enumerate|zip|"
    "range|reversed|isinstance|format|append|extend|add|await|return|yield|if|elif|while|for|in|"
    "not|and|or|assert|with|lambda"
)
"""What stands before a bracket and is not what takes the time."""


class Scene(NamedTuple):
    """A group of blocked steps, as far as the rules can see it."""

    blocker: Blocker
    inside: tuple[tuple[str, str], ...]
    """Module and function of the frames inside the user's line, outermost first."""
    source: str  # the user's line
    calls: tuple[str, ...]  # what to await elsewhere, the likeliest first; none: not known
    is_inline: bool  # it is the coroutine's own Python code that takes the time
    in_callback: bool
    waited_for_gil: bool
    holder: str  # who held the GIL meanwhile; empty where it is not known


def look_at(group: BlockedGroup, recording: Recording, source: Source) -> Scene | None:
    """Return what the rules look at; None where the watch saw nothing."""
    if group.blocker is None:
        return None
    ownership = Ownership(recording.meta)
    frames = group.frames

    def line_of(frame: Frame) -> str:
        return source(frame)[:LONGEST_LINE]

    # What another look saw there may lie in another function than the heaviest stack.
    inner = next((i for i, frame in enumerate(frames) if ownership.is_own(frame.file)), 0)
    in_callback = group.longest.kind != Kind.TASK
    outer = _where_to_await(frames, inner, ownership, line_of, in_callback=in_callback)
    text = line_of(group.culprit)
    called = plain_name(frames[outer - 1].function) if outer else ""
    is_inline = group.blocker is Blocker.PYTHON and (outer == 0 or called.startswith("<"))
    line = line_of(frames[outer]) if frames else text
    return Scene(
        blocker=group.blocker,
        inside=tuple(
            (_module(ownership.short_path(frame.file)), plain_name(frame.function))
            for frame in reversed(frames[:inner])
        ),
        source=text,
        calls=() if is_inline else _calls_on(line, called),
        is_inline=is_inline,
        in_callback=in_callback,
        waited_for_gil=group.waited_for_gil,
        holder=_holder(group, recording) if group.waited_for_gil else "",
    )


def _where_to_await(
    frames: tuple[Frame, ...],
    inner: int,
    ownership: Ownership,
    source: Source,
    *,
    in_callback: bool,
) -> int:
    """Return the innermost of the user's frames that can await: a coroutine's.

    A callback has none; there, it is the user's outermost frame, the callback itself.
    """
    own = [place for place in range(inner, len(frames)) if ownership.is_own(frames[place].file)]
    if in_callback or not own:
        return own[-1] if own else inner
    known: dict[Frame, bool] = {}  # a recursion has the same frame many times
    for place in own:
        frame = frames[place]
        if frame not in known:
            known[frame] = _is_coroutine(frame, source)
        if known[frame]:
            return place
    # Without a source, the caller of the culprit's function is taken to be one.
    return own[min(1, len(own) - 1)]


def _is_coroutine(frame: Frame, source: Source) -> bool:
    name = plain_name(frame.function)
    if name == "<module>":
        return True
    # A lambda or a comprehension is none, and without its source nothing is known.
    if not name.isidentifier() or not source(frame):
        return False
    definition = re.compile(rf"\s*(async\s+)?def\s+{name}\b")
    for line in range(frame.line, max(0, frame.line - LONGEST_FUNCTION), -1):
        if found := definition.match(source(Frame(frame.file, line, frame.function))):
            return found[1] is not None
    return False


def _calls_on(line: str, called: str) -> tuple[str, ...]:
    """Return the call on a line that leads to a function, or those that are likely to take long.

    >>> _calls_on("data = json.loads(fetch(url))", "fetch")
    ('fetch',)
    >>> _calls_on("print(len(zlib.compress(json.dumps(orders))))", "")
    ('zlib.compress', 'json.dumps')
    """
    calls = list(_calls(line))
    exact = [call for call in calls if plain_name(call) == called]
    if exact:
        return (exact[0],)
    if called.isidentifier() and not calls:
        return (called,)
    return tuple(call for call in calls if not _AROUND.fullmatch(plain_name(call)))


def _calls(line: str) -> Iterator[str]:
    without_strings = _STRING.sub("''", line).partition("#")[0]
    return (match[1] for match in _CALL.finditer(without_strings))


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
    """Return which other loop ran what keeps the GIL while the longest step waited for it."""
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
