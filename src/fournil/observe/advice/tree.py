"""A source as a tree: the function and the statement of a line, functions and classes by name."""

from __future__ import annotations

import ast
import builtins
import re
import sys
from collections import deque
from collections.abc import Iterator
from functools import cached_property

from fournil.evidence.stacks import Frame, plain_name

Function = ast.FunctionDef | ast.AsyncFunctionDef
Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.Module

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)

COMPREHENSIONS: dict[str, type[ast.expr]] = {
    "<listcomp>": ast.ListComp,
    "<setcomp>": ast.SetComp,
    "<dictcomp>": ast.DictComp,
    "<genexpr>": ast.GeneratorExp,
    "<lambda>": ast.Lambda,
}
"""What has a frame of its own, by the frame's name."""


def lines_of(text: str) -> list[str]:
    """Return the lines of a text, as Python counts them; a form feed ends none."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


class Tree:
    """The tree of one file."""

    def __init__(self, text: str, tree: ast.Module) -> None:
        self.text = text
        self.lines = lines_of(text)
        self.tree = tree
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
    def modules(self) -> frozenset[str]:
        """The names of whole modules that it imports: `np`, `os`."""
        imports = (node for node in ast.walk(self.tree) if isinstance(node, ast.Import))
        names = (name for node in imports for name in node.names)
        return frozenset(name.asname or name.name.partition(".")[0] for name in names)

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
        body = getattr(scope, "body", [])
        pending: list[ast.AST] = list(body) if isinstance(body, list) else []  # else a lambda's
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

    def class_named(self, name: str) -> ast.ClassDef | None:
        """Return the class of a name, wherever in the module it is defined."""
        return self._classes.get(name)

    @cached_property
    def _classes(self) -> dict[str, ast.ClassDef]:
        return {node.name: node for node in ast.walk(self.tree) if isinstance(node, ast.ClassDef)}

    def class_around(self, node: ast.AST) -> ast.ClassDef | None:
        return next((one for one in self.enclosing(node) if isinstance(one, ast.ClassDef)), None)

    def method(self, owner: ast.ClassDef, name: str, depth: int = 8) -> Function | None:
        """Return the method of a class, or of a class of the module that it inherits from."""
        for node in owner.body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == name:
                return node
        for base in owner.bases if depth else ():
            above = self.class_named(getattr(base, "id", ""))
            if above is not None and (found := self.method(above, name, depth - 1)):
                return found
        return None

    def function_named(self, name: str) -> Function | None:
        """Return the function of a name that is no method."""
        for node in self._scopes.get(name, ()):
            is_method = isinstance(self.parents.get(node), ast.ClassDef)
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not is_method:
                return node
        return None

    def is_module_wide(self, name: str) -> bool:
        """Whether a name is a function, a class or a module: what needs not be handed over."""
        return name in self.definitions or name in self.imports or hasattr(builtins, name)


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
