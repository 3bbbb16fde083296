"""A program's source as trees: the function and the statement of a line, what names stand for."""

from __future__ import annotations

import ast
import builtins
import re
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

from fournil.evidence.stacks import Frame, plain_name

Text = Callable[[str], str]
"""Returns the text of a file, or nothing where it cannot be read."""

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.Module

LONGEST_TEXT = 4 << 20
"""Longer files are not parsed: they are generated, and their trees take gigabytes."""

DEEPEST = 8
"""So many assignments are followed from a name to what it stands for."""

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)

COMPREHENSIONS: dict[str, type[ast.expr]] = {
    "<listcomp>": ast.ListComp,
    "<setcomp>": ast.SetComp,
    "<dictcomp>": ast.DictComp,
    "<genexpr>": ast.GeneratorExp,
    "<lambda>": ast.Lambda,
}
"""What has a frame of its own, by the frame's name."""

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


def lines_of(text: str) -> list[str]:
    """Return the lines of a text, as Python counts them; a form feed ends none."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


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


class Module:
    """The tree of one file."""

    def __init__(self, text: str, tree: ast.Module) -> None:
        self.text = text
        self.lines = lines_of(text)
        self.tree = tree
        self._assigned: dict[ast.AST, dict[str, list[tuple[ast.expr, int]]]] = {}
        self.parents = {
            child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)
        }

    @cached_property
    def imports(self) -> dict[str, str]:
        """What the names are that are imported anywhere: `np` is numpy, `load` is json.load."""
        found: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for name in node.names:
                    short = name.name.partition(".")[0]
                    found[name.asname or short] = name.name if name.asname else short
            elif isinstance(node, ast.ImportFrom):
                for name in node.names:
                    found[name.asname or name.name] = f"{node.module or ''}.{name.name}"
        return found

    @cached_property
    def uses_packages(self) -> bool:
        """Whether it imports what does not come with Python."""
        roots = {name.lstrip(".").partition(".")[0] for name in self.imports.values()}
        return not roots <= sys.stdlib_module_names

    @cached_property
    def definitions(self) -> frozenset[str]:
        """The names of the functions and classes of the module itself."""
        return frozenset(node.name for node in self.tree.body if isinstance(node, DEFINITIONS))

    @cached_property
    def names(self) -> frozenset[str]:
        """All names that occur anywhere."""
        names = {node.id for node in ast.walk(self.tree) if isinstance(node, ast.Name)}
        return frozenset(names | set(self.imports) | self.definitions)

    def scope_of(self, frame: Frame) -> Scope | ast.expr | None:
        """Return the function, the lambda or the comprehension that a frame ran."""
        name = plain_name(frame.function)
        if name == "<module>":
            return self.tree
        found = None
        for node in self._scopes.get(name, ()):
            decorators = getattr(node, "decorator_list", [])
            first = min([node.lineno, *(one.lineno for one in decorators)])
            if first <= frame.line <= (node.end_lineno or 0):
                found = node if found is None or node.lineno >= found.lineno else found
        return found

    @cached_property
    def _scopes(self) -> dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef | ast.expr]]:
        """What has a frame of its own, by the frame's name."""
        names = {kind: name for name, kind in COMPREHENSIONS.items()}
        found: dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef | ast.expr]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                found.setdefault(node.name, []).append(node)
            elif isinstance(node, ast.expr) and (name := names.get(type(node))):
                found.setdefault(name, []).append(node)
        return found

    def statements_at(self, scope: ast.AST, line: int) -> list[ast.stmt]:
        """Return the innermost statements of a function, not of those inside it, at a line."""
        pending: list[ast.AST] = list(getattr(scope, "body", []))
        here = [node for node in pending if isinstance(node, ast.stmt) and _spans(node, line)]
        found = []
        for node in here:
            inner: list[ast.stmt] = []
            if not isinstance(node, DEFINITIONS):
                for part in ast.iter_child_nodes(node):
                    if isinstance(part, (ast.ExceptHandler, ast.match_case)):
                        inner += self.statements_at(part, line)
                    elif isinstance(part, ast.stmt) and _spans(part, line):
                        inner += self.statements_at(ast.Module([part], []), line)
            if not inner or (node.lineno == line and not isinstance(node, DEFINITIONS)):
                found.append(node)  # a head, and maybe what stands on its line
            found += inner
        return found

    def source(self, node: ast.AST) -> str:
        """Return a node's text."""
        first = getattr(node, "lineno", None)
        last = getattr(node, "end_lineno", None)
        if first is None or last is None:
            return ""
        begin, end = node.col_offset, node.end_col_offset  # type: ignore[attr-defined]
        lines = [line.encode() for line in self.lines[first - 1 : last]]
        lines[-1] = lines[-1][:end]
        lines[0] = lines[0][begin:]
        return b"".join(lines).decode(errors="replace")

    def enclosing(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield what a node lies in, the nearest first."""
        while (parent := self.parents.get(node)) is not None:
            yield parent
            node = parent

    def scope_around(self, node: ast.AST) -> Scope:
        for outer in self.enclosing(node):
            if isinstance(outer, (ast.FunctionDef, ast.AsyncFunctionDef)):
                return outer
        return self.tree

    def definition(self, name: str) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
        """Return the function of a name, wherever in the module it is defined."""
        for node in self._scopes.get(name, ()):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                return node
        return None

    def origin(self, node: ast.expr, depth: int = DEEPEST) -> str:
        """Return what an expression stands for, as far as assignments and imports tell.

        >>> text = "import sqlite3\\ndb = sqlite3.connect('x')\\ndb.execute('y').fetchall()"
        >>> module = _parse(text)
        >>> module.origin(module.tree.body[-1].value.func)
        'sqlite3.connect().execute().fetchall'
        """
        if depth == 0:
            return "?"
        match node:
            case ast.Name(name):
                return self._origin_of_name(node, name, depth)
            case ast.Attribute(ast.Name("self"), attribute):
                value = self.value_of_attribute(node, attribute)
                return self.origin(value, depth - 1) if value else f"self.{attribute}"
            case ast.Attribute(value, attribute):
                return f"{self.origin(value, depth)}.{attribute}"
            case ast.Call(function):
                made = f"{self.origin(function, depth)}()"
                return _MADE.get(made, made)
            case ast.Constant(value):
                return type(value).__name__
            case ast.BinOp(left, _, right):
                found = [self.origin(one, depth - 1) for one in (left, right)]
                return next((name for name in found if name in _TYPES[:7]), "?")
            case ast.Await(value) | ast.NamedExpr(value=value) | ast.IfExp(body=value):
                return self.origin(value, depth)
        return _LITERALS.get(type(node), "?")

    def _origin_of_name(self, node: ast.expr, name: str, depth: int) -> str:
        value = self.value_of(node, name)
        if value is not None:
            return self.origin(value, depth - 1)
        return self.imports.get(name, name)

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
        around = next((one for one in self.enclosing(node) if isinstance(one, ast.ClassDef)), None)
        for inner in ast.walk(around) if around else ():
            if isinstance(inner, ast.Assign):
                for target in inner.targets:
                    match target:
                        case ast.Attribute(ast.Name("self"), name) if name == attribute:
                            return inner.value
        return None

    def is_module_wide(self, name: str) -> bool:
        """Whether a name is a function, a class or a module: what needs not be handed over."""
        return name in self.definitions or name in self.imports or hasattr(builtins, name)


def _assignments(scope: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names that a function assigns to, with what is assigned."""
    for node in own_nodes(scope):
        match node:
            case ast.Assign([ast.Tuple(targets)], ast.Tuple(values)):
                pairs = list(zip(targets, values, strict=False))
            case ast.Assign(targets, value):
                pairs = [(target, value) for target in targets]
            case ast.AnnAssign(target, _, ast.expr() as value) | ast.NamedExpr(target, value):
                pairs = [(target, value)]
            case ast.withitem(value, ast.expr() as target):
                pairs = [(target, value)]
            case _:
                continue
        for target, value in pairs:
            if isinstance(target, ast.Name):
                yield target.id, value


def _spans(node: ast.stmt, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or node.lineno)


def own_nodes(scope: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a function, not those of the functions and classes inside it."""
    pending = deque(ast.iter_child_nodes(scope))
    while pending:
        node = pending.popleft()
        yield node
        if not isinstance(node, (*DEFINITIONS, ast.Lambda)):
            pending += ast.iter_child_nodes(node)


def parameters(scope: ast.AST) -> list[ast.arg]:
    if not isinstance(scope, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        return []
    given = scope.args
    optional = [one for one in (given.vararg, given.kwarg) if one]
    return [*given.posonlyargs, *given.args, *given.kwonlyargs, *optional]


def is_parameter(scope: ast.AST, name: str) -> bool:
    return any(one.arg == name for one in parameters(scope))


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


def is_generator(scope: ast.AST) -> bool:
    return any(isinstance(node, (ast.Yield, ast.YieldFrom)) for node in own_nodes(scope))


def is_property(scope: ast.AST) -> bool:
    """Whether a function is reached without a call.

    >>> tree = ast.parse("class A:\\n @property\\n def x(self): ...")
    >>> is_property(tree.body[0].body[0])
    True
    """
    if not isinstance(scope, ast.FunctionDef):
        return False
    names = {
        one.id if isinstance(one, ast.Name) else getattr(one, "attr", "")
        for one in scope.decorator_list
    }
    return not names.isdisjoint({"property", "cached_property", "getter", "setter"})
