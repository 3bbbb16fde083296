"""How to write it: a call, an expression or a loop that runs elsewhere.

A thread shares all objects: there, anything can be a lambda. For a process, a function is written
out that is given what it needs.
"""

from __future__ import annotations

import ast
import builtins
import re
import sys
import textwrap
from typing import NamedTuple

from fournil.observe.advice import edits
from fournil.observe.advice.changes import assigned_names, changed_outside
from fournil.observe.advice.edits import Edit
from fournil.observe.advice.needs import (
    is_made_in,
    loaded_after,
    needed,
    needs_its_frame,
    waits,
)
from fournil.observe.advice.program import Module
from fournil.observe.advice.sendable import UNSENDABLE
from fournil.observe.advice.tree import is_parameter

THREAD = "await asyncio.to_thread({})"
PROCESS = "await fournil.to_process({})"

MAKES = re.compile(r"(\w+) = |with .* as (\w+):$")
"""The lines of `needs.needed` that make something again, with its name."""

LONGEST_SHOWN = 90
"""Longer code is shown with `...` for its arguments; the edits have all of it."""


class Code(NamedTuple):
    """What to write, as a sentence shows it, and as edits of the file; none: shown alone."""

    shown: str
    edits: tuple[Edit, ...] = ()
    moved: ast.expr | ast.stmt | None = None  # what runs elsewhere; None: nothing does
    imports: bool = True  # a process imports modules to run it that not every Python has
    is_plain: bool = False  # a call whose arguments are evaluated where they were


def moved(
    module: Module,
    scope: ast.AST,
    node: ast.expr,
    wrap: str,
    *,
    whole: bool = False,
    apart: bool = False,
    result: str = "",
) -> Code | None:
    """Return the code that has an expression run in a thread or a process; None: it cannot.

    Args:
        scope: the function that it stands in.
        node: what is moved.
        wrap: `THREAD` or `PROCESS`.
        whole: no part of it, as an argument that is a call, is left where it was.
        apart: it makes there what belongs to a thread or cannot travel.
        result: what is returned in its place, which the lines call `found`.
    """
    is_process = wrap == PROCESS
    is_plain = isinstance(node, ast.Call) and _is_plain(module, node, is_process)
    if isinstance(node, ast.Call) and is_plain and not (whole or apart or result):
        function = module.source(node.func)
        arguments = _arguments(module, node)
        text = wrap.format(", ".join([function, *arguments]))
        shown = text if len(text) <= LONGEST_SHOWN else wrap.format(f"{function}, ...")
        code = _with(module, node, shown, text, [])
        return code._replace(imports=not _comes_with_python(module, node.func), is_plain=True)
    if waits(node) or needs_its_frame(node):
        return None
    source = module.source(node)
    if not is_process and not apart:
        text = wrap.format(f"lambda: {source}")
        shown = text if len(text) <= LONGEST_SHOWN else wrap.format("lambda: ...")
        return _with(module, node, shown, text, [])
    needs = needed(module, scope, node)
    if needs is None:
        return None
    names, made = needs
    if apart and not made:
        return None  # what belongs to its thread came from elsewhere
    name = edits.fresh_name(module, "work")
    value = f"({source})" if "\n" in source else source
    lines = [f"found = {value}", f"return {result}"] if result else [f"return {value}"]
    definition = f"def {name}({', '.join(names)}):\n{_nested(made, lines)}"
    text = wrap.format(", ".join([name, *names]))
    where = edits.define(module, node, definition)
    return _with(module, node, f"{text}` with `{_one_line(definition)}", text, [where])


def loop_moved(module: Module, scope: ast.AST, loop: ast.For | ast.While, wrap: str) -> Code | None:
    """Return the code that has a whole loop run elsewhere, in a function; None: it cannot."""
    nodes = list(ast.walk(loop))
    leaves = (
        ast.Return, ast.Global, ast.Nonlocal, ast.Delete, ast.FunctionDef,
        ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom,
    )  # fmt: skip
    if module.lines[loop.lineno - 1][: loop.col_offset].strip() or any(
        isinstance(node, leaves) for node in nodes
    ):
        return None
    if waits(loop) or needs_its_frame(loop):
        return None
    needs = needed(module, scope, loop)
    if needs is None:
        return None
    names, made = needs
    assigned = assigned_names(nodes)
    after = loaded_after(module, scope, loop)
    results = [name for name in assigned if name in after]
    if wrap == PROCESS:
        again = _made_there(made)
        changed = [name for name in changed_outside(module, loop) if name not in again]
        for name in changed:
            if not is_made_in(module, scope, loop, name):
                return None
        results += [name for name in changed if name not in results]
        if not results:
            return None  # what it did would be done to copies
    name = edits.fresh_name(module, "work")
    block = "".join(module.lines[loop.lineno - 1 : loop.end_lineno]).rstrip("\n")
    lines = textwrap.dedent(block).splitlines()
    if results:
        lines.append(f"return {', '.join(results)}")
    definition = f"def {name}({', '.join(names)}):\n{_nested(made, lines)}"
    text = wrap.format(", ".join([name, *names]))
    if results:
        text = f"{', '.join(results)} = {text}"
    where = edits.define(module, loop, definition)
    found = _with(module, loop, text, text, [where])
    loop_at = f"`{name}` is a function with the loop of line {loop.lineno}"
    if results:
        loop_at += f", and returns `{', '.join(results)}`"
    return found._replace(shown=f"{text}`, where {loop_at}")


def _made_there(made: list[str]) -> set[str]:
    """Return the names of what lines make: see `needed`."""
    return {found[1] or found[2] for line in made if (found := MAKES.match(line))}


def filled(
    module: Module, call: ast.Call, template: str, needed: tuple[str, ...], definition: str
) -> Code | None:
    """Return the code of a rule's own template.

    `{object}` is what the call's method is called of, `{call}` the function, `{args}` the
    arguments, `{more}` the same after another one, `{first}` the only one, `{work}` the function
    of the rule's definition.
    """
    receiver = call.func.value if isinstance(call.func, ast.Attribute) else None
    arguments = _arguments(module, call)
    if "{first}" in template and (not arguments or isinstance(call.args[0], ast.Starred)):
        return None
    takes = 1 if "{first}" in template else 0
    if any(place in template for place in ("{args}", "{more}")):
        takes = len(arguments)
    if len(arguments) > takes or ("{object}" in template and receiver is None):
        return None
    work = edits.fresh_name(module, "work")
    fields = {
        "object": module.source(receiver) if receiver else "",
        "call": module.source(call.func),
        "args": ", ".join(arguments),
        "more": "".join(f", {one}" for one in arguments),
        "first": arguments[0] if arguments else "",
        "work": work,
    }
    text = template.format(**fields)
    defined = []
    shown = text
    if definition:
        body = definition.format(**fields)
        defined.append(edits.define(module, call, body))
        shown = f"{text}` with `{_one_line(body)}"
    parent = module.parents.get(call)
    is_assignment = re.match(r"[\w.\[\]:]+ = ", text) is not None
    if is_assignment and not isinstance(parent, ast.Expr):
        return None
    return _with(module, call, shown, text, defined, needed)._replace(imports=bool(definition))


def _with(
    module: Module,
    node: ast.expr | ast.stmt,
    shown: str,
    text: str,
    more: list[Edit],
    needed: tuple[str, ...] = (),
) -> Code:
    parent = module.parents.get(node)
    binds = isinstance(parent, (ast.Attribute, ast.Subscript, ast.Await)) or (
        isinstance(parent, ast.Call) and parent.func is node
    )
    binds |= isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Pow)
    placed = f"({text})" if binds and text.startswith("await ") else text
    if any(isinstance(outer, ast.JoinedStr) for outer in module.enclosing(node)):
        return Code(shown, (), node)  # 3.11 does not know where in the string it is
    written = "".join([text, *(edit.text for edit in more)])
    names = [name for name in ("asyncio", "contextlib", "fournil") if f"{name}." in written]
    # What is imported stands before what is defined at the same line.
    wanted = [*edits.imports(module, [*names, *needed]), *more]
    return Code(shown, (*wanted, edits.replace(module, node, placed)), node)


def _arguments(module: Module, call: ast.Call) -> list[str]:
    given = [module.source(one) for one in call.args]
    for keyword in call.keywords:
        value = module.source(keyword.value)
        given.append(f"{keyword.arg}={value}" if keyword.arg else f"**{value}")
    return given


def _is_plain(module: Module, call: ast.Call, is_process: bool) -> bool:
    """Whether a call's function can be handed over with its arguments as they stand."""
    receiver: ast.expr = call.func
    while isinstance(receiver, ast.Attribute):
        receiver = receiver.value
    if not isinstance(receiver, ast.Name):
        return False
    if not is_process:
        return True
    if UNSENDABLE.fullmatch(module.origin(receiver)):
        return False
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    return not any(UNSENDABLE.fullmatch(module.origin(one)) for one in given)


def _comes_with_python(module: Module, function: ast.expr) -> bool:
    """Whether a function is a builtin or one of the standard library."""
    name = module.origin(function).partition(".")[0].removesuffix("()")
    if name in module.definitions or is_parameter(module.scope_around(function), name):
        return False
    return name in sys.stdlib_module_names or hasattr(builtins, name)


def _nested(made: list[str], lines: list[str]) -> str:
    """Return a function's body: what it makes first, and the lines inside."""
    indent = "    "
    body = []
    for line in made:
        body.append(indent + line)
        if line.endswith(":"):
            indent += "    "
    return "\n".join([*body, *(indent + line if line else "" for line in lines)])


def _one_line(definition: str) -> str:
    """Return a short function as it may be written on one line.

    >>> _one_line("def work(a):\\n    b = f(a)\\n    return b")
    'def work(a): b = f(a); return b'
    """
    head, *body = [" ".join(line.split()) for line in definition.splitlines()]
    text = f"{head} {'; '.join(body)}"
    return text if len(text) <= LONGEST_SHOWN else f"{head} ..."
