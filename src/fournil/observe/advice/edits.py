"""Changes of a program's source: what an advice says to write, in a form that can be applied."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import NamedTuple

from fournil.observe.advice.program import Module
from fournil.observe.advice.tree import lines_of


class Edit(NamedTuple):
    """One piece of a file's text and what takes its place; columns count characters from 0."""

    line: int
    column: int
    end_line: int
    end_column: int
    text: str


def apply(text: str, edits: Iterable[Edit]) -> str:
    r"""Return a text with all edits made; they do not overlap.

    >>> apply("a = f(1)\nb\n", [Edit(1, 4, 1, 8, "await g(1)"), Edit(2, 0, 2, 0, "c\n")])
    'a = await g(1)\nc\nb\n'
    """
    lines = lines_of(text)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    # Of those at one place, what is inserted first stands first.
    in_order = sorted(enumerate(edits), key=lambda item: (item[1][:2], item[0]))
    for _, edit in reversed(in_order):
        begin = starts[min(edit.line - 1, len(lines))] + edit.column
        end = starts[min(edit.end_line - 1, len(lines))] + edit.end_column
        text = text[:begin] + edit.text + text[end:]
    return text


def replace(module: Module, node: ast.expr | ast.stmt, text: str) -> Edit:
    """Return the edit that puts a text in a node's place."""
    return Edit(
        node.lineno,
        _column(module, node.lineno, node.col_offset),
        node.end_lineno or node.lineno,
        _column(module, node.end_lineno or node.lineno, node.end_col_offset or 0),
        text,
    )


def insert(line: int, text: str) -> Edit:
    """Return the edit that puts lines of text before a line."""
    return Edit(line, 0, line, 0, text)


def _column(module: Module, line: int, offset: int) -> int:
    """Return the column in characters of one in bytes, which `ast` counts in."""
    text = module.lines[line - 1] if line <= len(module.lines) else ""
    return len(text.encode()[:offset].decode(errors="replace"))


def imports(module: Module, names: Iterable[str]) -> list[Edit]:
    """Return the edits that import what the module does not import yet."""
    missing = [name for name in names if module.imports.get(name) != name]
    line = 1
    for statement in module.tree.body:
        is_docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        is_future = isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
        if not (is_docstring or is_future):
            line = statement.lineno
            if decorators := getattr(statement, "decorator_list", []):
                line = min(line, *(one.lineno for one in decorators))
            break
    text = "".join(f"import {name}\n" for name in missing)
    return [insert(line, text)] if text else []


def define(module: Module, node: ast.AST, text: str) -> Edit:
    """Return the edit that puts a function before the statement of the module around a node."""
    outermost = node
    for outer in module.enclosing(node):
        if isinstance(outer, ast.stmt):
            outermost = outer
    line: int = getattr(outermost, "lineno", 1)
    for decorator in getattr(outermost, "decorator_list", []):
        line = min(line, decorator.lineno)
    return insert(line, f"{text}\n\n\n")


def fresh_name(module: Module, name: str) -> str:
    """Return a name that the module does not use yet."""
    number = 1
    while (found := name if number == 1 else f"{name}_{number}") in module.names:
        number += 1
    return found


def as_task(module: Module, callback: ast.FunctionDef) -> list[Edit] | None:
    """Return the edits that have a callback start a task that does what the callback did.

    None: its result is asked for, or it is called in a way that this cannot follow.
    """
    given = callback.args
    odd = callback.decorator_list or given.kwonlyargs or given.vararg or given.kwarg
    body = [node for one in callback.body for node in ast.walk(one)]
    ends = any(
        isinstance(node, (ast.Yield, ast.YieldFrom))
        or (isinstance(node, ast.Return) and node.value is not None)
        for node in body
    )
    line = module.lines[callback.lineno - 1]
    if odd or ends or line[: callback.col_offset].strip():
        return None
    column = _column(module, callback.lineno, callback.col_offset)
    name = fresh_name(module, f"{callback.name}_task")
    tasks = fresh_name(module, "background")
    arguments = [one.arg for one in (*given.posonlyargs, *given.args)]
    is_method = isinstance(module.parents.get(callback), ast.ClassDef)
    target = f"{arguments.pop(0)}.{name}" if is_method and arguments else name
    indent = " " * column
    signature = ", ".join(one.arg for one in (*given.posonlyargs, *given.args))
    starter = (
        f"\n{indent}def {callback.name}({signature}):\n"
        f"{indent}    task = asyncio.create_task({target}({', '.join(arguments)}))\n"
        f"{indent}    {tasks}.add(task)\n"
        f"{indent}    task.add_done_callback({tasks}.discard)\n"
    )
    begin = column + len("def ")
    first = Edit(callback.lineno, column, callback.lineno, column, "async ")
    renamed = Edit(callback.lineno, begin, callback.lineno, begin + len(callback.name), name)
    end = (callback.end_lineno or callback.lineno) + 1
    last_line = module.lines[end - 2]
    closing = starter if last_line.endswith("\n") else "\n" + starter
    kept = define(module, callback, f"{tasks} = set()")
    return [kept, first, renamed, insert(end, closing)]
