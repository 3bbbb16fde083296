"""Which rule speaks, and of which call."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

from fournil.observe.advice.context import Context
from fournil.observe.advice.rules import RULES
from fournil.observe.advice.rules.rule import Rule

ALSO_PLAIN = frozenset({"containers", "comprehension", "awaited"})
"""Situations in which a rule may also be about what is called there."""


Named = tuple[tuple[str, str], ast.Call | None]
"""What a call stands for and how it is written, and the call; no call where a `with` enters."""


class Found(NamedTuple):
    """A rule that applies, and the call that it is about."""

    rule: Rule
    call: ast.Call | None


def rule_for(context: Context) -> Found:
    """Return the first rule of the table that applies."""
    names = list(_names(context))
    return next(found for rule in RULES if (found := _found(rule, context, names)))


def _found(rule: Rule, context: Context, calls: list[Named]) -> Found | None:
    if context.blocker not in rule.blockers or (rule.gil and not context.waited_for_gil):
        return None
    situations = {context.situation, ""} if context.situation in ALSO_PLAIN else {context.situation}
    if rule.situation not in situations and not rule.gil:
        return None
    if rule.imports and not any(module.startswith("importlib") for module, _ in context.inside):
        return None
    if rule.called and not re.fullmatch(rule.called, context.called):
        return None
    if rule.around and not _is_seen(rule.around, context.around):
        return None
    if not rule.calls and not rule.inside:
        is_general = not (rule.situation or rule.gil or rule.around)
        return None if is_general and context.situation == "awaited" else Found(rule, None)
    for names, call in calls if rule.calls else ():
        if any(re.fullmatch(rule.calls, name) for name in names):
            return Found(rule, call)
    return Found(rule, None) if _is_seen(rule.inside, context.inside) else None


def _is_seen(pattern: str, frames: tuple[tuple[str, str], ...]) -> bool:
    return bool(pattern) and any(
        re.fullmatch(pattern, f"{module}:{function}") for module, function in frames
    )


def _names(context: Context) -> Iterator[Named]:
    """Yield the names of what the line calls: what they stand for, and as they are written."""
    module, work = context.cause.module, context.cause.work
    if module is None:
        return
    for call in work.calls:
        written = re.sub(r"\s", "", module.source(call.func))
        yield (module.origin(call.func), written), call
    match work.expression:
        case ast.ListComp(ast.Call(called)) | ast.SetComp(ast.Call(called)):
            # It is the whole of it that goes elsewhere, not each call.
            written = re.sub(r"\s", "", module.source(called))
            yield (module.origin(called), written), None
    for node in ast.walk(work.expression) if work.expression else ():
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
            left = module.origin(node.left), module.source(node.left)
            yield (f"{left[0]}.__matmul__", f"{left[1]}.__matmul__"), None
    if isinstance(work.statement, ast.With):
        for item in work.statement.items:
            names = module.origin(item.context_expr), module.source(item.context_expr)
            yield (f"{names[0]}.__enter__", f"{names[1]}.__enter__"), None
