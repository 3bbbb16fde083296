"""How much an expression's object is to send, as far as the source tells: pure.

Constants, what is made of them, and comprehensions over ranges are known; what comes from a
file, a server or a caller is not.
"""

from __future__ import annotations

import ast
import re
from typing import NamedTuple

from fournil.observe.advice.program import DEEPEST, Module
from fournil.observe.advice.tree import is_parameter

ARRAYS = re.compile(
    r"numpy\.(zeros|ones|empty|full|arange|linspace|random\.(rand|randn|random|normal|integers)|"
    r"random\.default_rng\(\)\.\w+)"
)
"""Calls that make an array of as many numbers as their first argument says."""

NUMBER_BYTES = 8

LARGEST_BASE, LARGEST_POWER = 1000, 16
"""What is said with greater powers is no number of things."""

SCALARS = re.compile(
    r"(len|sum|min|max|any|all|hash|bool|int|float|round|abs|ord|id|math\.\w+)|"
    r".*\.(count|index|find|rfind|startswith|endswith|hexdigest|digest|mean|std|var|bit_length)"
)
"""Calls whose results are small."""


class Load(NamedTuple):
    """What is to be sent."""

    size: float = 0.0  # of its bytes and buffers, in bytes
    items: float = 0.0  # objects, as many numbers as take as long to be pickled

    def plus(self, other: Load) -> Load:
        return Load(self.size + other.size, self.items + other.items)

    def times(self, number: float) -> Load:
        return Load(self.size * number, self.items * number)


class Sent(NamedTuple):
    """What travels to a process, and what comes back."""

    out: Load
    back: Load
    is_all: bool = True  # False: there is more of it, of which the source does not tell


ONE = Load(items=1.0)

TEXT, CONTAINER = 8, 10
"""A text of its own, or a list or the like, takes as long as so many numbers to be pickled."""


def load_of(module: Module, node: ast.expr, depth: int = DEEPEST) -> Load | None:
    """Return what an expression's object is to send; None: the source does not tell.

    >>> module = Module(text := "b'ab' * 100", ast.parse(text))
    >>> load_of(module, module.tree.body[0].value)
    Load(size=200.0, items=1.0)
    """
    if depth == 0:
        return None
    match node:
        case ast.Constant(bytes() | str() as value):
            return Load(float(len(value)), 1.0)
        case ast.Constant() | ast.Compare():
            return ONE
        case ast.JoinedStr():
            return Load(items=TEXT)
        case ast.List(elements) | ast.Tuple(elements) | ast.Set(elements):
            return _sum(module, elements, depth)
        case ast.Dict(keys, values):
            return _sum(module, [*filter(None, keys), *values], depth)
        case ast.ListComp(element, [one]) | ast.SetComp(element, [one]) if not one.ifs:
            return _repeated(module, [element], one.iter, depth)
        case ast.DictComp(key, value, [one]) if not one.ifs:
            return _repeated(module, [key, value], one.iter, depth)
        case ast.BinOp(left, ast.Mult(), right):
            return _multiplied(module, left, right, depth)
        case ast.BinOp(left, _, right):
            return _sum(module, [left, right], depth)
        case ast.UnaryOp(operand=operand):
            return load_of(module, operand, depth - 1)
        case ast.Call():
            return _made(module, node, depth)
        case ast.Subscript(slice=ast.Slice(upper=ast.Constant())):
            return ONE
        case ast.Name(name):
            return _named(module, node, name, depth)
    return None


def number_of(module: Module, node: ast.expr, depth: int = DEEPEST) -> float | None:
    """Return the number that an expression stands for; None: the source does not tell."""
    if depth == 0:
        return None
    match node:
        case ast.Constant(int() | float() as value):
            return float(value)
        case ast.BinOp(left, ast.Mult() | ast.Pow() | ast.Add() | ast.Sub() as how, right):
            one, other = number_of(module, left, depth - 1), number_of(module, right, depth - 1)
            return None if one is None or other is None else _computed(how, one, other)
        case ast.Name(name):
            given = module.value_of(node, name)
            return number_of(module, given, depth - 1) if given is not None else None
    return None


def _computed(how: ast.operator, one: float, other: float) -> float | None:
    match how:
        case ast.Mult():
            return one * other
        case ast.Add():
            return one + other
        case ast.Sub():
            return one - other
    return float(one**other) if 0 <= other <= LARGEST_POWER and one < LARGEST_BASE else None


def _sum(module: Module, nodes: list[ast.expr], depth: int) -> Load | None:
    found = ONE
    for node in nodes:
        load = load_of(module, node, depth - 1)
        if load is None:
            return None
        found = found.plus(load)
    return found


def _repeated(module: Module, elements: list[ast.expr], over: ast.expr, depth: int) -> Load | None:
    """Return the load of a comprehension's elements; what these call returns one object each."""
    count = _count(module, over, depth)
    if count is None:
        return None
    each = Load()
    for element in elements:
        each = each.plus(load_of(module, element, depth - 1) or ONE.times(_objects(element)))
    return each.times(count)


def _objects(node: ast.expr) -> int:
    """Return how many numbers take as long as a display to be pickled."""
    match node:
        case ast.List(elements) | ast.Tuple(elements) | ast.Set(elements):
            return CONTAINER + sum(map(_objects, elements))
        case ast.Dict(keys, values):
            return CONTAINER + sum(map(_objects, [*filter(None, keys), *values]))
        case ast.JoinedStr() | ast.Call(ast.Name("str" | "repr" | "format")):
            return TEXT
    return 1


def _count(module: Module, node: ast.expr, depth: int) -> float | None:
    """Return how many items an iterable has."""
    match node:
        case ast.Call(ast.Name("range"), [*bounds]):
            numbers = [number_of(module, bound) for bound in bounds]
            if not numbers or None in numbers:
                return None
            first, *rest = [number or 0.0 for number in numbers]
            span = first if not rest else rest[0] - first
            return max(0.0, span / (rest[1] if len(rest) > 1 and rest[1] else 1.0))
        case ast.List(elements) | ast.Tuple(elements):
            return float(len(elements))
        case ast.Name(name) if depth:
            value = module.value_of(node, name)
            return None if value is None else _count(module, value, depth - 1)
        case ast.ListComp(_, [one]) if not one.ifs:
            return _count(module, one.iter, depth - 1) if depth else None
        case ast.BinOp(left, ast.Mult(), right):
            count, times = _count(module, left, depth), number_of(module, right)
            return None if count is None or times is None else count * times
    return None


def _multiplied(module: Module, left: ast.expr, right: ast.expr, depth: int) -> Load | None:
    for repeated, times in ((left, right), (right, left)):
        number = number_of(module, times)
        load = load_of(module, repeated, depth - 1)
        if number is None or load is None:
            continue
        if isinstance(repeated, ast.Constant) and isinstance(repeated.value, bytes | str):
            return Load(load.size * number, 1.0)
        if isinstance(repeated, (ast.List, ast.Tuple)):
            return load.times(number)
        return ONE
    return _sum(module, [left, right], depth)


def _made(module: Module, call: ast.Call, depth: int) -> Load | None:
    name = module.origin(call.func)
    if SCALARS.fullmatch(name) or name == "range":
        return ONE
    if name in {"list", "sorted", "tuple", "set"} and len(call.args) >= 1:
        if (count := _count(module, call.args[0], depth)) is not None:
            return ONE.times(count)
        return load_of(module, call.args[0], depth - 1)
    if name in {"bytes", "bytearray", "os.urandom", "random.randbytes"} and call.args:
        number = number_of(module, call.args[0])
        return None if number is None else Load(number, 1.0)
    if isinstance(call.func, ast.Name) and (function := module.definition(call.func.id)):
        return result_of(module, function, depth - 1)
    if ARRAYS.fullmatch(name) and call.args:
        shape = call.args[0]
        sides = shape.elts if isinstance(shape, ast.Tuple) else [shape]
        size = 1.0
        for side in sides:
            number = number_of(module, side)
            if number is None:
                return None
            size *= number
        return Load(size * NUMBER_BYTES, 1.0)
    return None


def _named(module: Module, node: ast.Name, name: str, depth: int) -> Load | None:
    value = module.value_of(node, name)
    if value is not None:
        return load_of(module, value, depth - 1)
    scope = module.scope_around(node)
    if is_parameter(scope, name):
        return _given(module, scope, name, depth)
    return None


def _given(module: Module, scope: ast.AST, name: str, depth: int) -> Load | None:
    """Return the load of a parameter, where all calls of its function give one that is known."""
    if not isinstance(scope, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return None
    place = (
        [one.arg for one in scope.args.args].index(name)
        if name in {one.arg for one in scope.args.args}
        else None
    )
    found: Load | None = None
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call) or place is None:
            continue
        if not (isinstance(node.func, ast.Name) and node.func.id == scope.name):
            continue
        if len(node.args) <= place:
            return None
        given = node.args[place]
        load = load_of(module, given, depth - 1)
        if load is None and _counts(module, given):
            load = ONE
        if load is None:
            return None
        found = load if found is None or load > found else found
    return found


def _counts(module: Module, node: ast.expr) -> bool:
    """Whether a name counts through a range."""
    if not isinstance(node, ast.Name):
        return False
    for outer in module.enclosing(node):
        loops = outer.generators if hasattr(outer, "generators") else [outer]
        for loop in loops:
            match loop:
                case ast.comprehension(ast.Name(name), ast.Call(ast.Name("range"))) | ast.For(
                    ast.Name(name), ast.Call(ast.Name("range"))
                ) if name == node.id:
                    return True
    return False


def result_of(module: Module, function: ast.AST, depth: int = DEEPEST) -> Load | None:
    """Return the load of what a function returns; None: the source does not tell."""
    returned = [
        node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Return) and node.value is not None
    ]
    found: Load | None = ONE
    for value in returned:
        load = load_of(module, value, depth - 1)
        if load is None or found is None:
            return None
        found = max(found, load)
    return found
