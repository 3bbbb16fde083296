"""The sentence of a context: its rule, what it was, what to write, and where."""

from __future__ import annotations

import ast
from pathlib import PurePath
from typing import NamedTuple

from fournil.evidence.stacks import plain_name
from fournil.observe.advice.choice import Found, rule_for
from fournil.observe.advice.context import Context, Place
from fournil.observe.advice.edits import Edit
from fournil.observe.advice.locks import Held
from fournil.observe.advice.moves import Code
from fournil.observe.advice.rules.rule import Rule
from fournil.observe.advice.sizes import Sent
from fournil.observe.advice.work import last_name
from fournil.observe.advice.writing import code_for, effect_for, sent_by, warnings
from fournil.observe.words import size

LARGE = 1 << 20
"""So many bytes are worth telling."""

SO_LARGE = "which takes about as long as the work itself"

UNNAMED = "this expression"
"""Stands for a call where the source does not show it."""


class Said(NamedTuple):
    """A sentence, and the edits that it tells of; none: it tells of none that can be made."""

    rule: Rule
    text: str
    file: str
    edits: tuple[Edit, ...]
    is_written: bool  # it says what to write, not only what is known
    sends: Sent | None  # what travels to a process and back; None: not known
    imports: bool = True  # the process imports what not every Python has
    held: Held | None = None  # the lock that is held meanwhile
    runs: str = ""  # the file of what runs there


def say(context: Context) -> Said:
    """Return the sentence of the first rule that applies."""
    found = rule_for(context)
    code = code_for(found, context)
    effect = effect_for(found, context, code)
    if effect is not None and code is not None:
        code = None
        text = _text(found, context, None, effect.text)
    else:
        text = _text(found, context, code, "" if found.rule.instead or not effect else effect.text)
    written = code is not None
    sends = sent_by(context, code) if code and found.rule.to == "process" else None
    file = context.place.frame.file
    held = context.held_around if found.rule.to == "process" else context.held
    edits = code.edits if code else ()
    imports = code is None or code.imports
    return Said(found.rule, text, file, edits, written, sends, imports, held, context.runs or file)


def too_large(said: Said) -> str:
    """Return the sentence where what is to be sent takes as long as the work."""
    told = "What is to be sent to a process takes about as long as the work itself"
    travels = said.sends.out.plus(said.sends.back).size if said.sends else 0
    if travels > LARGE:
        told = f"About {size(int(travels))} are to be sent to a process, {SO_LARGE}"
    return (
        f"{told}: make it where it is used, in one function for `fournil.to_process`; a big "
        "buffer for many calls is placed in shared memory once by `fournil.share`."
    )


def _text(found: Found, context: Context, code: Code | None, hindered: str) -> str:
    rule, cause = found.rule, context.cause
    call = _called(found, cause)
    fields = {
        "call": call,
        "first": _first_argument(found, cause),
        "holder": context.holder or "another thread",
        "function": plain_name(cause.frame.function),
        "inside": ", ".join(f"`{name}` of {module}" for module, name in context.inside[-1:]),
        "code": f"`{code.shown}`" if code else "",
    }
    parts = [rule.why.format(**fields)]
    if code is not None:
        parts += [rule.how.format(**fields), *_where(context)]
        if rule.to == "process":
            parts += warnings(context, code)
    elif hindered:
        parts += [hindered]
    elif not context.may_await and rule.to not in {"code", "process"}:
        parts += [_cannot_await(context)]
    else:
        parts += [_elsewhere(context, rule), rule.instead.format(**fields)]
    text = ""
    for part in filter(None, parts):
        first = part[0] if text.endswith(":") else part[0].upper()
        text = f"{text} {first}{part[1:]}".lstrip()
    return text


def _elsewhere(context: Context, rule: Rule) -> str:
    """Return what is generally known, where a rule has no more to say."""
    if rule.instead or rule.to == "code":
        return ""
    name = "fournil.to_process" if rule.to == "process" else "asyncio.to_thread"
    if context.place.work.is_entered:
        return _entered(context, name)
    if context.place.module is None and context.place.called.isidentifier():
        return f"`await {name}({context.place.called}, ...)`."
    return f"put it in a function of its own, for `await {name}(...)`."


def _entered(context: Context, name: str) -> str:
    """Return what to do where a `with` enters or leaves what takes the time."""
    statement = context.place.work.statement
    waits = (ast.Await, ast.AsyncFor, ast.AsyncWith)
    if statement and any(isinstance(one, waits) for one in ast.walk(statement)):
        return (
            "make it an asynchronous context manager (`contextlib.asynccontextmanager`, "
            f"`async with`), which can do that in a function for `await {name}(...)`."
        )
    return f"put the `with` and what is done inside in one function, for `await {name}(...)`."


def _where(context: Context) -> list[str]:
    """Return where to write it, where that is not the line that took the time."""
    told = []
    if not context.is_direct and not context.in_callback:
        frame = context.place.frame
        place = f"{PurePath(frame.file).name}:{frame.line}"
        inner = plain_name(context.cause.frame.function)
        told.append(
            f"There, in `{plain_name(frame.function)}` at {place}: `{inner}` is called by it, and "
            "cannot await."
        )
    if context.in_callback:
        name = plain_name(context.place.frame.function)
        is_called = context.in_lambda and name != "<lambda>"
        who = (
            f"`{name}` is called by a callback, which"
            if is_called
            else f"`{name}` is a callback and"
        )
        told.append(
            f"{who} cannot await: let it start a task that does what it did, "
            "`asyncio.create_task(...)`."
        )
    return told


def _cannot_await(context: Context) -> str:
    name = plain_name(context.cause.frame.function)
    return f"`{name}` cannot await, and no coroutine of the program's own calls it."


def _called(found: Found, cause: Place) -> str:
    call = found.call
    if call is None and cause.work.calls[:1] == (cause.work.expression,):
        call = cause.work.calls[0]
    if call is not None and cause.module is not None:
        source = " ".join(cause.module.source(call.func).split())
        return f"`{source if len(source) <= 60 else f'...{last_name(cause.module, call)}'}`"
    if call is None and cause.module is None and cause.called.isidentifier():
        return f"`{cause.called}`"
    return UNNAMED


def _first_argument(found: Found, cause: Place) -> str:
    if found.call is not None and cause.module is not None and found.call.args:
        source = cause.module.source(found.call.args[0])
        if len(source) <= 30 and "\n" not in source:
            return f"`{source}`"
    return "its argument"
