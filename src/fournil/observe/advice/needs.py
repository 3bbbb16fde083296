"""What a piece of code needs where it is to run, and what it leaves behind.

A process gets what the work needs as arguments, and what cannot travel is made there.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from fournil.observe.advice.changes import assigned_names
from fournil.observe.advice.program import Module
from fournil.observe.advice.sendable import UNSENDABLE
from fournil.observe.advice.sizes import Load, Sent, load_of
from fournil.observe.advice.tree import is_parameter, own_nodes

COSTLY_TO_MAKE = re.compile(r"(xml|lxml|bs4)\..*")
"""Objects that nobody makes twice: it takes as long as what is done with them."""

USED_UP = re.compile(
    r"(generator|map|filter|zip|enumerate|iter|reversed|open|csv\.\w+|itertools\.\w+|io\.\w+|"
    r"ctypes\.(c_\w+|create_\w+))(\(\))?"
)
"""Objects that are not the same again once they were asked for something."""

BOUND_TO_ITS_FRAME = frozenset({"super", "locals", "globals", "vars", "dir", "__class__", "eval"})
"""What means something else in another function."""


def needed(
    module: Module, scope: ast.AST, node: ast.expr | ast.stmt
) -> tuple[list[str], list[str]] | None:
    """Return the arguments that a piece of code needs in a function of its own.

    And the lines that make there what cannot travel; None: it cannot be made there.
    """
    names: list[str] = []
    made: list[str] = []
    bound = set(_bound_inside(node))
    for name, place in sorted(free_names(node), key=_position):
        if name in names or name in bound:
            continue
        if _is_known_there(module, place, name):
            continue
        origin = module.origin(place)
        if UNSENDABLE.fullmatch(origin):
            value = module.value_of(place, name)
            is_used = USED_UP.fullmatch(origin) and _is_used_besides(module, scope, node, name)
            needs = _made_again(module, scope, value) if value and not is_used else None
            if value is None or needs is None:
                return None
            names += [one for one in needs[0] if one not in names]
            made += [one for one in needs[1] if one not in made]
            line = _making(name, origin, module.source(value))
            if line not in made:
                made.append(line)
            continue
        is_assigned = isinstance(node, ast.stmt) and name in assigned_names(list(ast.walk(node)))
        if not is_assigned or _is_bound_before(module, scope, node, name):
            names.append(name)
    return names, made


def sent(module: Module, scope: ast.AST, node: ast.expr) -> Sent | None:
    """Return what an expression needs in a process and returns; None: it cannot run there."""
    needs = needed(module, scope, node)
    if needs is None:
        return None
    places = dict(free_names(node))
    loads = [load_of(module, places[name]) for name in needs[0] if name in places]
    back = load_of(module, node)
    out = Load()
    for load in loads:
        out = out.plus(load or Load())
    return Sent(out, back or Load(), back is not None and None not in loads)


def waits(node: ast.AST) -> bool:
    waits = (ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr, ast.AsyncFor, ast.AsyncWith)
    return any(
        isinstance(one, waits) or (isinstance(one, ast.comprehension) and one.is_async)
        for one in ast.walk(node)
    )


def needs_its_frame(node: ast.AST) -> bool:
    """Whether code means something else outside its function or its class."""
    for one in ast.walk(node):
        if isinstance(one, ast.Name) and one.id in BOUND_TO_ITS_FRAME:
            return True
        if isinstance(one, ast.Attribute) and re.fullmatch(r"__\w*[^_]_?", one.attr):
            return True  # a private name
    return False


def _is_known_there(module: Module, place: ast.Name, name: str) -> bool:
    """Whether a name is of a module or a function, and not of an object that was given."""
    return (
        module.is_module_wide(name)
        and module.value_of(place, name) is None
        and not is_parameter(module.scope_around(place), name)
    )


def free_names(node: ast.AST) -> Iterator[tuple[str, ast.Name]]:
    for one in ast.walk(node):
        if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load):
            yield one.id, one
        if isinstance(one, ast.AugAssign) and isinstance(one.target, ast.Name):
            yield one.target.id, one.target


def _position(item: tuple[str, ast.Name]) -> tuple[int, int]:
    return item[1].lineno, item[1].col_offset


def _bound_inside(node: ast.AST) -> Iterator[str]:
    """Yield the names that comprehensions and lambdas inside bind for themselves."""
    for one in ast.walk(node):
        if isinstance(one, ast.comprehension):
            for inner in ast.walk(one.target):
                if isinstance(inner, ast.Name):
                    yield inner.id
        elif isinstance(one, ast.Lambda):
            yield from (argument.arg for argument in one.args.args)


def _is_used_besides(module: Module, scope: ast.AST, node: ast.expr | ast.stmt, name: str) -> bool:
    inside = set(ast.walk(node))
    return any(
        isinstance(one, ast.Name)
        and one.id == name
        and isinstance(one.ctx, ast.Load)
        and one not in inside
        for one in ast.walk(scope)
    )


def _made_again(
    module: Module, scope: ast.AST, value: ast.expr
) -> tuple[list[str], list[str]] | None:
    """Return what is needed to make an object once more, elsewhere; None: it cannot be."""
    if not isinstance(value, (ast.Call, ast.GeneratorExp)) or waits(value):
        return None
    if COSTLY_TO_MAKE.fullmatch(module.origin(value)):
        return None
    if any(isinstance(one, ast.Constant) and one.value == ":memory:" for one in ast.walk(value)):
        return None
    return needed(module, scope, value)


def _making(name: str, origin: str, value: str) -> str:
    """Return the line that makes an object again, and closes it where it is to be closed."""
    if origin == "open()":
        return f"with {value} as {name}:"
    if origin in {"sqlite3.connect()", "socket.create_connection()"}:
        return f"with contextlib.closing({value}) as {name}:"
    return f"{name} = {value}"


def loaded_after(module: Module, scope: ast.AST, loop: ast.stmt) -> set[str]:
    """Return the names that are asked for after a statement, or around it in the next turn."""
    begin = loop.end_lineno or loop.lineno
    around = [one for one in module.enclosing(loop) if isinstance(one, (ast.For, ast.While))]
    if around and scope in module.enclosing(around[-1]):
        begin = around[-1].lineno
    inside = set(ast.walk(loop))
    return {
        node.id
        for node in ast.walk(scope)
        if isinstance(node, ast.Name)
        and isinstance(node.ctx, ast.Load)
        and node not in inside
        and node.lineno >= begin
    }


def _is_bound_before(module: Module, scope: ast.AST, node: ast.AST, name: str) -> bool:
    if is_parameter(scope, name):
        return True
    return any(
        isinstance(one, ast.Name)
        and one.id == name
        and isinstance(one.ctx, ast.Store)
        and one.lineno < getattr(node, "lineno", 0)
        for one in own_nodes(scope)
    )


def is_made_in(module: Module, scope: ast.AST, loop: ast.stmt, name: str) -> bool:
    """Whether an object was made in this function: nobody else has it, most likely."""
    inside = set(ast.walk(loop))
    shared = (ast.Name, ast.Attribute, ast.Subscript)
    return any(
        scope in module.enclosing(value) and value not in inside and not isinstance(value, shared)
        for value, _ in module.assignments(scope, name)
    )
