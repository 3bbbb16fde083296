"""Which locks a line holds, as far as the source tells: pure.

A step that blocks the loop while it holds a lock finds it free, since no other step runs meanwhile.
Done elsewhere, it has others wait for it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from typing import NamedTuple

from fournil.observe.advice.program import DEEPEST, Module
from fournil.observe.advice.sizes import number_of
from fournil.observe.advice.tree import Scope, is_parameter, parameters

LOCKS = re.compile(
    r"(asyncio|threading|multiprocessing|anyio|trio)\.(R?Lock|Condition)|.*\bFileLock"
)
SEMAPHORES = re.compile(
    r"(asyncio|threading|multiprocessing|anyio|trio)\.(BoundedSemaphore|Semaphore|CapacityLimiter)"
)


class Held(NamedTuple):
    """A lock that a line holds."""

    name: str  # the line that makes it; the same for all who wait for the same lock
    at_once: int  # how many can hold it
    is_shared: bool  # all steps that run the line hold the same one; False: each may have its own


def locks_around(places: Iterable[tuple[str, Module, ast.AST, int]]) -> Held | None:
    """Return the lock that lets the fewest through, of those held around some lines.

    Args:
        places: each line's file, module, function, and number.
    """
    found: list[Held] = []
    for file, module, scope, line in places:
        for statement in module.statements_at(scope, line):
            for outer in module.enclosing(statement):
                if outer is scope:
                    break
                if isinstance(outer, (ast.With, ast.AsyncWith)):
                    for item in outer.items:
                        held = _held(file, module, scope, item.context_expr)
                        found += [held] if held else []
    return min(found, key=lambda held: (held.at_once, not held.is_shared), default=None)


def _held(file: str, module: Module, scope: ast.AST, node: ast.expr) -> Held | None:
    made = _made_by(module, node, DEEPEST)
    if made is None:
        return None
    name = module.origin(made.func)
    if LOCKS.fullmatch(name):
        at_once: float | None = 1.0
    elif SEMAPHORES.fullmatch(name):
        at_once = number_of(module, made.args[0]) if made.args else 1.0
    else:
        return None
    if at_once is None or at_once < 1:
        return None
    owner = module.scope_around(made)
    if owner is scope:
        return None  # each call makes its own
    is_attribute = any(isinstance(one, ast.ClassDef) for one in module.enclosing(made))
    return Held(f"{file}:{made.lineno}", int(at_once), not is_attribute)


def _made_by(module: Module, node: ast.expr | None, depth: int) -> ast.Call | None:
    """Return the call that made the object that an expression stands for."""
    if depth == 0 or node is None:
        return None
    if isinstance(node, ast.Call):
        return node
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        if node.value.id == "self":
            return _made_by(module, module.value_of_attribute(node, node.attr), depth - 1)
        return None
    if not isinstance(node, ast.Name):
        return None
    value = module.value_of(node, node.id)
    if value is not None:
        return _made_by(module, value, depth - 1)
    scope = module.scope_around(node)
    if is_parameter(scope, node.id):
        return _made_by(module, _given(module, scope, node.id), depth - 1)
    return None


def _given(module: Module, scope: Scope, name: str) -> ast.expr | None:
    """Return what a call of a function gives for a parameter; None: it has no name of its own."""
    function = getattr(scope, "name", "")
    names = [one.arg for one in parameters(scope)]
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == function:
            for keyword in node.keywords:
                if keyword.arg == name:
                    return keyword.value
            place = names.index(name)
            if place < len(node.args):
                return node.args[place]
    return None
