"""A program's modules, and what names and expressions stand for in them."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from fournil.observe.advice.tree import (
    Function,
    Scope,
    Tree,
    is_generator,
    is_parameter,
    is_property,
    own_nodes,
    parameters,
)

Text = Callable[[str], str]
"""Returns the text of a file, or nothing where it cannot be read."""

UNKNOWN = frozenset({"?", "self", "NoneType"})
"""What stands for an object of which no more is known."""

LONGEST_TEXT = 4 << 20
"""Longer files are not parsed: they are generated, and their trees take gigabytes."""

DEEPEST = 8
"""So many assignments are followed from a name to what it stands for."""

_LITERALS: dict[type[ast.expr], str] = {
    ast.List: "list",
    ast.ListComp: "list",
    ast.Dict: "dict",
    ast.DictComp: "dict",
    ast.Set: "set",
    ast.SetComp: "set",
    ast.Tuple: "tuple",
    ast.JoinedStr: "str",
    ast.GeneratorExp: "generator",
    ast.Lambda: "lambda",
}

_TYPES = ("list", "dict", "set", "tuple", "str", "bytes", "bytearray", "int", "float", "bool")

_MADE = {f"{name}()": name for name in _TYPES} | {"sorted()": "list"}


class Changes(NamedTuple):
    """What a function changes besides what it returns."""

    given: frozenset[str]  # of its parameters
    around: tuple[str, ...]  # names of its module, or of the function around it


class Called(NamedTuple):
    """A function of the module itself, and how it is called."""

    function: Function
    receiver: ast.expr | None  # what its first parameter is; None: all are arguments, or it is new
    makes: bool = False  # it is that of a class that is called


class Sources:
    """The modules of a program, each parsed once."""

    def __init__(self, text_of: Text = lambda file: "") -> None:
        self._text_of = text_of
        self._modules: dict[str, Module | None] = {}

    def module(self, file: str) -> Module | None:
        """Return the tree of a file; None where it is no Python that can be read."""
        if file not in self._modules:
            self._modules[file] = _parse(self._text_of(file).replace("\r\n", "\n"))
        return self._modules[file]


def _parse(text: str) -> Module | None:
    if not text or len(text) > LONGEST_TEXT:
        return None
    try:
        return Module(text, ast.parse(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


class Module(Tree):
    """The tree of one file, with what its names stand for."""

    def __init__(self, text: str, tree: ast.Module) -> None:
        super().__init__(text, tree)
        self._assigned: dict[ast.AST, dict[str, list[tuple[ast.expr, int]]]] = {}
        self._origins: dict[ast.expr, str] = {}
        self._results: dict[ast.AST, str] = {}  # of functions that are asked, too: empty
        # What `changes` has found out.
        self.changes: dict[ast.AST, Changes] = {}
        self.changed_later: frozenset[str] | None = None

    def origin(self, node: ast.expr, depth: int = DEEPEST) -> str:
        """Return what an expression stands for, as far as assignments and imports tell.

        >>> text = "import sqlite3\\ndb = sqlite3.connect('x')\\ndb.execute('y').fetchall()"
        >>> module = _parse(text)
        >>> module.origin(module.tree.body[-1].value.func)
        'sqlite3.connect().execute().fetchall'
        """
        if depth == 0:
            return "?"
        if depth < DEEPEST:
            return self._origin(node, depth)
        if node not in self._origins:
            self._origins[node] = self._origin(node, depth)
        return self._origins[node]

    def _origin(self, node: ast.expr, depth: int) -> str:
        match node:
            case ast.Name(name):
                return self._origin_of_name(node, name, depth)
            case ast.Attribute(ast.Name("self"), attribute):
                value = self.value_of_attribute(node, attribute)
                return self.origin(value, depth - 1) if value else f"self.{attribute}"
            case ast.Attribute(value, attribute):
                return f"{self.origin(value, depth)}.{attribute}"
            case ast.Call(function):
                made = self._returned(node, depth) or f"{self.origin(function, depth)}()"
                return _MADE.get(made, made)
            case ast.Constant(value):
                return type(value).__name__
            case ast.BinOp(left, _, right):
                found = [self.origin(one, depth - 1) for one in (left, right)]
                if found[0].startswith("ctypes."):
                    return found[0]  # a type of arrays
                return next((name for name in found if name in _TYPES[:7]), "?")
            case ast.Await(value) | ast.NamedExpr(value=value) | ast.IfExp(body=value):
                return self.origin(value, depth)
        return _LITERALS.get(type(node), "?")

    def _origin_of_name(self, node: ast.expr, name: str, depth: int) -> str:
        value = self.value_of(node, name)
        if value is not None:
            return self.origin(value, depth - 1)
        for scope in self._scopes_around(node):
            for one in parameters(scope):
                if one.arg == name:
                    return self._annotated(one.annotation, depth) or name
        return self.imports.get(name, name)

    def _annotated(self, annotation: ast.expr | None, depth: int) -> str:
        """Return what something stands for that is annotated as a class; empty: not known."""
        match annotation:
            case ast.Constant(str() as text):
                try:
                    inner = ast.parse(text, mode="eval").body
                except SyntaxError:
                    return ""
                if isinstance(inner, ast.Name):
                    return f"{self.imports.get(inner.id, inner.id)}()"
            case ast.BinOp(left, ast.BitOr()):
                return self._annotated(left, depth)
            case ast.Subscript(ast.Name("Optional"), inner):
                return self._annotated(inner, depth)
            case ast.Subscript(value):
                return self._annotated(value, depth)
            case ast.Name() | ast.Attribute():
                made = f"{self.origin(annotation, depth - 1)}()"
                return _MADE.get(made, made)
        return ""

    def _returned(self, call: ast.Call, depth: int) -> str:
        """Return what a function of the module returns; empty: not known."""
        called = self.called(call, depth - 1) if depth > 1 else None
        if called is None or called.makes:
            return ""
        if called.function not in self._results:
            self._results[called.function] = ""
            self._results[called.function] = self._result_of(called.function)
        return self._results[called.function]

    def _result_of(self, function: Function) -> str:
        kinds = self.decorators(function)
        if is_generator(function):
            return "generator"
        if kinds - {"staticmethod", "classmethod"} or isinstance(function, ast.AsyncFunctionDef):
            return ""
        found = {
            self.origin(one.value)
            for one in own_nodes(function)
            if isinstance(one, ast.Return) and one.value is not None
        }
        return found.pop() if len(found) == 1 and not found & UNKNOWN else ""

    def value_of(self, node: ast.AST, name: str) -> ast.expr | None:
        """Return what was assigned to a name last before a node, in its scope or around it."""
        for scope in self._scopes_around(node):
            found = None
            for value, line in self.assignments(scope, name):
                if found is None or line <= node.lineno:  # type: ignore[attr-defined]
                    found = value
            if found is not None:
                return found if found is not node else None
            if is_parameter(scope, name):
                return None
        return None

    def _scopes_around(self, node: ast.AST) -> Iterator[Scope]:
        for outer in self.enclosing(node):
            if isinstance(outer, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Module)):
                yield outer

    def assignments(self, scope: ast.AST, name: str) -> Sequence[tuple[ast.expr, int]]:
        """Return what a function assigns to a name, with the lines."""
        if scope not in self._assigned:
            found: dict[str, list[tuple[ast.expr, int]]] = {}
            for target, value in _assignments(scope):
                found.setdefault(target, []).append((value, value.lineno))
            self._assigned[scope] = found
        return self._assigned[scope].get(name, ())

    def value_of_attribute(self, node: ast.AST, attribute: str) -> ast.expr | None:
        around = self.class_around(node)
        return dict(self.attributes(around)).get(attribute) if around else None

    def attributes(self, owner: ast.ClassDef) -> Iterator[tuple[str, ast.expr]]:
        """Yield what the methods of a class assign to its objects, the last first."""
        found = []
        for inner in ast.walk(owner):
            for target, value in _pairs(inner):
                match target:
                    case ast.Attribute(ast.Name("self"), name):
                        found.append((name, value))
        yield from reversed(found)

    def class_of(self, node: ast.expr, depth: int = DEEPEST) -> ast.ClassDef | None:
        """Return the module's own class that an expression's object is of, or that it names."""
        match node:
            case ast.Name("self" | "cls") if depth:
                return self.class_around(node)
            case ast.Call(ast.Name("super")):
                return None
        name = self.origin(node, depth).removesuffix("()") if depth > 0 else ""
        return self.class_named(name)

    def decorators(self, function: ast.AST) -> frozenset[str]:
        """Return the last names of a function's decorators: `cache` of `@functools.cache`."""
        found = set()
        for one in getattr(function, "decorator_list", []):
            node = one.func if isinstance(one, ast.Call) else one
            found.add(self.origin(node).rpartition(".")[2])
        return frozenset(found)

    def called(self, node: ast.AST, depth: int = DEEPEST) -> Called | None:
        """Return the module's own function that a call or an attribute leads to, if it is known.

        That of an attribute is a property.
        """
        match node:
            case ast.Call(ast.Name(name) as function):
                if is_parameter(self.scope_around(function), name):
                    return None
                if (made := self.class_named(name)) is not None:
                    maker = self.method(made, "__init__") or self.method(made, "__post_init__")
                    return Called(maker, None, makes=True) if maker else None
                found = self.function_named(name)
                return Called(found, None) if found else None
            case ast.Call(ast.Attribute(receiver, name)) | ast.Attribute(receiver, name):
                owner = self.class_of(receiver, depth)
                method = self.method(owner, name) if owner else None
                if method is None:
                    return None
                if isinstance(node, ast.Attribute) and not is_property(method):
                    return None
                is_static = "staticmethod" in self.decorators(method)
                return Called(method, None if is_static else receiver)
        return None

    def is_assigned(self, name: str) -> bool:
        """Whether the module itself assigns to a name."""
        return bool(self.assignments(self.tree, name))


def _assignments(scope: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names that a function assigns to, with what is assigned."""
    for node in own_nodes(scope):
        for target, value in _pairs(node):
            if isinstance(target, ast.Name):
                yield target.id, value


def _pairs(node: ast.AST) -> list[tuple[ast.expr, ast.expr]]:
    """Return what a node assigns to, each with what is assigned."""
    match node:
        case ast.Assign([ast.Tuple(targets)], ast.Tuple(values)):
            return list(zip(targets, values, strict=False))
        case ast.Assign(targets, value):
            return [(target, value) for target in targets]
        case ast.AnnAssign(target, _, ast.expr() as value) | ast.NamedExpr(target, value):
            return [(target, value)]
        case ast.withitem(value, ast.expr() as target):
            return [(target, value)]
    return []


CLOCKS = re.compile(r"time\.(time|monotonic|perf_counter)(_ns)?|.*loop\w*(\(\))?\.time")


def ends_at_a_moment(module: Module, scope: ast.AST) -> bool:
    """Whether a function goes on until a clock says so, however much it does until then."""
    return any(
        isinstance(node, ast.While)
        and any(
            isinstance(one, ast.Call) and CLOCKS.fullmatch(module.origin(one.func))
            for one in ast.walk(node.test)
        )
        and any(isinstance(one, ast.Await) for one in ast.walk(node))
        for node in own_nodes(scope)
    )


OTHERS = re.compile(
    r"threading\.(Thread|Timer)|multiprocessing\.(Process|Pool)|subprocess\.Popen|"
    r"concurrent\.futures\.(Thread|Process)PoolExecutor"
)
"""What a program waits for at its end, when it has started it."""


def has_others_go_on(module: Module) -> bool:
    """Whether a program starts what it waits for at its end, as a thread."""
    return any(
        isinstance(node, ast.Call)
        and OTHERS.fullmatch(module.origin(node.func))
        and not any(
            one.arg == "daemon" and isinstance(one.value, ast.Constant) and one.value.value
            for one in node.keywords
        )
        for node in ast.walk(module.tree)
    )
