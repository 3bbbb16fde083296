"""What code changes besides what it returns: its arguments, its object, its module. Pure.

As far as the source of one module tells, through its own functions and methods.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from fournil.observe.advice.program import Called, Changes, Module
from fournil.observe.advice.tree import Function, is_parameter, parameters

CHANGES_ITS_OBJECT = re.compile(
    r"append|extend|insert|remove|clear|sort|reverse|add|discard|update|appendleft|extendleft|"
    r"write|writelines|fill|resize|partition|put"
)
"""Methods that change their object where nobody asks what they return."""

RETURNS_A_PART = re.compile(r"pop|setdefault|popitem|popleft")
"""Methods that change their object and return a part of it."""

USES = (ast.Assign, ast.AnnAssign, ast.Return, ast.Call, ast.Attribute, ast.Subscript, ast.BinOp)
"""What asks for a value; where these methods change their object, they return none."""

CHANGES_ITS_ARGUMENT = re.compile(
    r"next|setattr|delattr|heapq\.heap\w+|random\.shuffle|bisect\.insort\w*|.*\.random\.shuffle|.*\.shuffle"
)

STATEFUL = re.compile(r"random\.Random\(\)|numpy\.random\.(default_rng|Generator|RandomState)\(\)")
"""Objects that each of their methods changes."""

MAKERS = frozenset({"__init__", "__new__", "__post_init__", "__set_name__"})
"""What these change is their own: the object is being made."""

NONE = Changes(frozenset(), ())


def given_to(called: Called, node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield the parameters of a called function with what they are given."""
    names = [one.arg for one in parameters(called.function)]
    given = called.function.args
    positional = [one.arg for one in (*given.posonlyargs, *given.args)]
    if (called.receiver is not None or called.makes) and positional:
        first = positional.pop(0)
        if called.receiver is not None:
            yield first, called.receiver
    if not isinstance(node, ast.Call):
        return
    for place, value in enumerate(node.args):
        if isinstance(value, ast.Starred) or place >= len(positional):
            break
        yield positional[place], value
    for keyword in node.keywords:
        if keyword.arg in names:
            yield keyword.arg, keyword.value


def changes_of(module: Module, function: Function) -> Changes:
    """Return what a function changes.

    >>> text = "def fill(rows, n):\\n    rows.append(n)\\ndef f(a):\\n    fill(a.rows, 3)"
    >>> module = Module(text, ast.parse(text))
    >>> sorted(changes_of(module, module.definition("f")).given)
    ['a']
    """
    if function not in module.changes:
        module.changes[function] = NONE  # where it calls itself
        module.changes[function] = _changes_of(module, function)
    return module.changes[function]


def _changes_of(module: Module, function: Function) -> Changes:
    given: set[str] = set()
    around: dict[str, None] = {}
    own = getattr(function, "name", "") in MAKERS
    first = next((one.arg for one in parameters(function)), "")
    for name in _changed(module, ast.walk(function)):
        for root in _roots(module, function, name):
            if is_parameter(function, root):
                if not (own and root == first):
                    given.add(root)
            elif root in module.imports:
                part = module.parents.get(name)
                around[module.source(part) if isinstance(part, ast.Attribute) else root] = None
            elif module.is_assigned(root) or module.class_named(root) is not None:
                around[root] = None
    for node in ast.walk(function):
        if isinstance(node, (ast.Global, ast.Nonlocal)):
            stored = assigned_names(list(ast.walk(function)))
            around |= dict.fromkeys(name for name in node.names if name in stored)
    return Changes(frozenset(given), tuple(around))


def changed_names(module: Module, nodes: Iterable[ast.AST]) -> list[str]:
    """Return the names of the objects that code changes, where it can be seen."""
    return list(dict.fromkeys(name.id for name in _changed(module, nodes)))


def changed_outside(module: Module, loop: ast.stmt) -> list[str]:
    """Return the names of what a loop changes and has not made itself.

    >>> text = "for row in rows:\\n    new = Row()\\n    new.n = row.n = 3"
    >>> module = Module(text, ast.parse(text))
    >>> changed_outside(module, module.tree.body[0])
    ['rows']
    """
    nodes = list(ast.walk(loop))
    assigned = assigned_names(nodes)
    found: dict[str, None] = {}
    for name in _changed(module, nodes):
        roots = _roots(module, loop, name) if name.id in assigned else [name.id]
        found |= dict.fromkeys(root for root in roots if root not in assigned)
    return list(found)


def _changed(module: Module, nodes: Iterable[ast.AST]) -> Iterator[ast.Name]:
    """Yield the names of what code changes, in parts or as a whole."""
    for node in nodes:
        for changed in _changed_at(module, node):
            if (name := root_of(changed)) is not None:
                yield name


def _changed_at(module: Module, node: ast.AST) -> Iterator[ast.expr]:
    match node:
        case ast.Call(ast.Attribute(ast.Name(name))) if name in module.modules:
            pass  # a function of a module
        case ast.Call(ast.Attribute(value, method)):
            is_alone = not isinstance(module.parents.get(node), USES)
            if (
                RETURNS_A_PART.fullmatch(method)
                or (is_alone and CHANGES_ITS_OBJECT.fullmatch(method))
                or STATEFUL.fullmatch(module.origin(value))
            ):
                yield value
        case ast.Subscript(value, ctx=ast.Store() | ast.Del()):
            yield value
        case ast.Attribute(value, ctx=ast.Store() | ast.Del()):
            yield value
        case ast.AugAssign(ast.Name() as target, ast.Add() | ast.BitOr(), value):
            if isinstance(value, (ast.List, ast.ListComp, ast.Set, ast.SetComp, ast.Dict)):
                yield target
    match node:
        case ast.Call(function, [first, *_]):
            if CHANGES_ITS_ARGUMENT.fullmatch(module.origin(function)):
                yield first
    if isinstance(node, ast.Call):
        for keyword in node.keywords:
            match keyword:
                case ast.keyword("out", value):
                    yield value
                case ast.keyword("inplace", ast.Constant(True)):
                    yield node.func
    if (called := module.called(node)) is not None:
        changes = changes_of(module, called.function)
        for name, value in given_to(called, node):
            if name in changes.given:
                yield value


def root_of(node: ast.expr) -> ast.Name | None:
    """Return the name of the object that an expression is a part of; None: it is a new one.

    >>> root_of(ast.parse("a.b[0].c").body[0].value).id
    'a'
    """
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
        node = node.value
    return node if isinstance(node, ast.Name) else None


def _roots(
    module: Module, function: ast.AST, name: ast.Name, seen: frozenset[str] = frozenset()
) -> Iterator[str]:
    """Yield whose part an object is that a name of a function stands for."""
    values = [value for value, _ in module.assignments(function, name.id)]
    for node in ast.walk(function):
        match node:
            case ast.For(ast.Name(target), over) | ast.comprehension(ast.Name(target), over):
                if target == name.id:
                    values.append(over)
    if name.id in seen:
        return
    is_new = any(
        value.lineno < name.lineno
        and module.parents.get(module.parents.get(value, value)) is function
        for value in values
    )
    if not values or (is_parameter(function, name.id) and not is_new):
        yield name.id
    for value in values:
        if (root := root_of(value)) is not None:
            yield from _roots(module, function, root, seen | {name.id})


def changed_later(module: Module) -> frozenset[str]:
    """Return the names of a module that its functions change after it was imported."""
    if module.changed_later is None:
        module.changed_later = frozenset()
        module.changed_later = frozenset(_changed_later(module))
    return module.changed_later


def _changed_later(module: Module) -> Iterator[str]:
    """Yield these; what decorators and the module itself call, is called by its import."""
    of_import = {
        name.id
        for node in module.tree.body
        for part in ([node] if isinstance(node, ast.Expr) else getattr(node, "decorator_list", []))
        for name in ast.walk(part)
        if isinstance(name, ast.Name)
    }
    for node in ast.walk(module.tree):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if node.name not in of_import:
            yield from changes_of(module, node).around


def assigned_names(nodes: list[ast.AST]) -> list[str]:
    """Return the names that code assigns to, besides those of its comprehensions."""
    found: dict[str, None] = {}
    inner = {
        one.id
        for node in nodes
        if isinstance(node, ast.comprehension)
        for one in ast.walk(node.target)
        if isinstance(one, ast.Name)
    }
    for node in nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id not in inner:
            found[node.id] = None
    return list(found)
