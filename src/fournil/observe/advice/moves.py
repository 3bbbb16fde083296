"""How to write it: a call, an expression or a loop that runs elsewhere.

A thread shares all objects: there, anything can be a lambda. A process gets what the work needs
as arguments, and what cannot travel is made there.
"""

from __future__ import annotations

import ast
import builtins
import re
import sys
import textwrap
from collections.abc import Iterator
from typing import NamedTuple

from fournil.observe.advice import edits
from fournil.observe.advice.edits import Edit
from fournil.observe.advice.program import Module, is_parameter, own_nodes
from fournil.observe.advice.sizes import Load, Sent, load_of

THREAD = "await asyncio.to_thread({})"
PROCESS = "await fournil.to_process({})"

LONGEST_SHOWN = 90
"""Longer code is shown with `...` for its arguments; the edits have all of it."""

UNSENDABLE = re.compile(
    r"(generator|map\(\)|filter\(\)|zip\(\)|enumerate\(\)|iter\(\)|reversed\(\)|open\(\))|"
    r"((sqlite3|socket|ssl|threading|_thread|asyncio|multiprocessing|queue|ctypes|mmap|"
    r"contextvars|weakref|psycopg2?|pymysql|lxml|csv|itertools|hashlib|tempfile|zipfile|gzip|"
    r"subprocess|concurrent|tarfile|selectors|select|redis|pymongo|sqlalchemy|_csv)\..*\(\).*)|"
    r"(os|glob|pathlib)\.\w*(scandir|walk|iterdir|glob|iglob)\(\)|"
    r"(zlib|bz2|lzma)\.\w*(obj|[cC]ompressor)\(\)|io\.(open|TextIOWrapper)\(\)"
)
"""Objects that no pickle holds, by what made them."""

CHANGES_ITS_OBJECT = re.compile(
    r"append|extend|insert|remove|pop|clear|sort|reverse|add|discard|update|setdefault|popitem|"
    r"appendleft|popleft|extendleft|write|writelines"
)
CHANGES_ITS_ARGUMENT = re.compile(
    r"heapq\.heap\w+|random\.shuffle|bisect\.insort\w*|.*\.random\.shuffle|.*\.shuffle"
)

BOUND_TO_ITS_FRAME = frozenset({"super", "locals", "globals", "vars", "dir", "__class__", "eval"})
"""What means something else in another function."""


class Code(NamedTuple):
    """What to write, as a sentence shows it, and as edits of the file; none: shown alone."""

    shown: str
    edits: tuple[Edit, ...] = ()
    moved: ast.expr | None = None  # what runs elsewhere; None: not an expression
    imports: bool = True  # a process imports modules to run it that not every Python has


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
        return code._replace(imports=not _comes_with_python(module, node.func))
    if _waits(node) or _needs_its_frame(node):
        return None
    source = module.source(node)
    if not is_process and not apart:
        text = wrap.format(f"lambda: {source}")
        shown = text if len(text) <= LONGEST_SHOWN else wrap.format("lambda: ...")
        return _with(module, node, shown, text, [])
    needs = _needed(module, scope, node)
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
    if _waits(loop) or _needs_its_frame(loop):
        return None
    needs = _needed(module, scope, loop)
    if needs is None:
        return None
    names, made = needs
    stored = _stored(nodes)
    after = _loaded_after(module, scope, loop)
    results = [name for name in stored if name in after]
    if wrap == PROCESS:
        changed = [name for name in _changed(module, nodes) if name not in stored]
        for name in changed:
            if not _is_made_in(module, scope, loop, name):
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
    moved = node if isinstance(node, ast.expr) else None
    parent = module.parents.get(node)
    binds = isinstance(parent, (ast.Attribute, ast.Subscript, ast.Await)) or (
        isinstance(parent, ast.Call) and parent.func is node
    )
    binds |= isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Pow)
    placed = f"({text})" if binds and text.startswith("await ") else text
    if any(isinstance(outer, ast.JoinedStr) for outer in module.enclosing(node)):
        return Code(shown, (), moved)  # 3.11 does not know where in the string it is
    written = "".join([text, *(edit.text for edit in more)])
    names = [name for name in ("asyncio", "contextlib", "fournil") if f"{name}." in written]
    # What is imported stands before what is defined at the same line.
    wanted = [*edits.imports(module, [*names, *needed]), *more]
    return Code(shown, (*wanted, edits.replace(module, node, placed)), moved)


def sent(module: Module, scope: ast.AST, node: ast.expr) -> Sent | None:
    """Return what an expression needs in a process, and what comes back; None: not known."""
    needs = _needed(module, scope, node)
    back = load_of(module, node)
    if needs is None or back is None:
        return None
    found = Load()
    places = dict(_free_names(node))
    for name in needs[0]:
        load = load_of(module, places[name]) if name in places else None
        if load is None:
            return None
        found = found.plus(load)
    return Sent(found, back)


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


def _waits(node: ast.AST) -> bool:
    waits = (ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr, ast.AsyncFor, ast.AsyncWith)
    return any(
        isinstance(one, waits) or (isinstance(one, ast.comprehension) and one.is_async)
        for one in ast.walk(node)
    )


def _needs_its_frame(node: ast.AST) -> bool:
    """Whether code means something else outside its function or its class."""
    for one in ast.walk(node):
        if isinstance(one, ast.Name) and one.id in BOUND_TO_ITS_FRAME:
            return True
        if isinstance(one, ast.Attribute) and re.fullmatch(r"__\w*[^_]_?", one.attr):
            return True  # a private name
    return False


def _needed(
    module: Module, scope: ast.AST, node: ast.expr | ast.stmt
) -> tuple[list[str], list[str]] | None:
    """Return the arguments that a piece of code needs in a function of its own.

    And the lines that make there what cannot travel; None: it cannot be made there.
    """
    names: list[str] = []
    made: list[str] = []
    bound = set(_bound_inside(node))
    for name, place in sorted(_free_names(node), key=_position):
        if name in names or name in bound:
            continue
        if _is_known_there(module, place, name):
            continue
        origin = module.origin(place)
        if UNSENDABLE.fullmatch(origin):
            value = module.value_of(place, name)
            needs = _made_again(module, scope, value) if value else None
            if value is None or needs is None:
                return None
            names += [one for one in needs[0] if one not in names]
            made += [one for one in needs[1] if one not in made]
            line = _making(name, origin, module.source(value))
            if line not in made:
                made.append(line)
            continue
        is_stored = isinstance(node, ast.stmt) and name in _stored(list(ast.walk(node)))
        if not is_stored or _is_bound_before(module, scope, node, name):
            names.append(name)
    return names, made


def _is_known_there(module: Module, place: ast.Name, name: str) -> bool:
    """Whether a name is of a module or a function, and not of an object that was given."""
    return (
        module.is_module_wide(name)
        and module.value_of(place, name) is None
        and not is_parameter(module.scope_around(place), name)
    )


def _free_names(node: ast.AST) -> Iterator[tuple[str, ast.Name]]:
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


def _made_again(
    module: Module, scope: ast.AST, value: ast.expr
) -> tuple[list[str], list[str]] | None:
    """Return what is needed to make an object once more, elsewhere; None: it cannot be."""
    if not isinstance(value, (ast.Call, ast.GeneratorExp)) or _waits(value):
        return None
    if any(isinstance(one, ast.Constant) and one.value == ":memory:" for one in ast.walk(value)):
        return None
    return _needed(module, scope, value)


def _making(name: str, origin: str, value: str) -> str:
    """Return the line that makes an object again, and closes it where it is to be closed."""
    if origin == "open()":
        return f"with {value} as {name}:"
    if origin in {"sqlite3.connect()", "socket.create_connection()"}:
        return f"with contextlib.closing({value}) as {name}:"
    return f"{name} = {value}"


def _nested(made: list[str], lines: list[str]) -> str:
    """Return a function's body: what it makes first, and the lines inside."""
    indent = "    "
    body = []
    for line in made:
        body.append(indent + line)
        if line.endswith(":"):
            indent += "    "
    return "\n".join([*body, *(indent + line if line else "" for line in lines)])


def _stored(nodes: list[ast.AST]) -> list[str]:
    found: dict[str, None] = {}
    inner = {name for node in nodes if isinstance(node, ast.comprehension)
             for name in _bound_inside(node)}  # fmt: skip
    for node in nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id not in inner:
            found[node.id] = None
    return list(found)


def _loaded_after(module: Module, scope: ast.AST, loop: ast.stmt) -> set[str]:
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


def _changed(module: Module, nodes: list[ast.AST]) -> list[str]:
    """Return the names of the objects that code changes, where it can be seen."""
    found: dict[str, None] = {}
    for node in nodes:
        changed: ast.expr | None = None
        match node:
            case ast.Call(ast.Attribute(value, attr=method)) if CHANGES_ITS_OBJECT.fullmatch(
                method
            ):
                changed = value
                if CHANGES_ITS_ARGUMENT.fullmatch(module.origin(node.func)) and node.args:
                    changed = node.args[0]
            case ast.Call(function, [first, *_]):
                if CHANGES_ITS_ARGUMENT.fullmatch(module.origin(function)):
                    changed = first
            case ast.Subscript(value, ctx=ast.Store()) | ast.Attribute(value, ctx=ast.Store()):
                changed = value
        while isinstance(changed, (ast.Attribute, ast.Subscript)):
            changed = changed.value
        if isinstance(changed, ast.Name):
            found[changed.id] = None
    return list(found)


def _is_made_in(module: Module, scope: ast.AST, loop: ast.stmt, name: str) -> bool:
    """Whether an object was made in this function: nobody else has it, most likely."""
    inside = set(ast.walk(loop))
    shared = (ast.Name, ast.Attribute, ast.Subscript)
    return any(
        scope in module.enclosing(value) and value not in inside and not isinstance(value, shared)
        for value, _ in module.assignments(scope, name)
    )


def _one_line(definition: str) -> str:
    """Return a short function as it may be written on one line.

    >>> _one_line("def work(a):\\n    b = f(a)\\n    return b")
    'def work(a): b = f(a); return b'
    """
    head, *body = [" ".join(line.split()) for line in definition.splitlines()]
    text = f"{head} {'; '.join(body)}"
    return text if len(text) <= LONGEST_SHOWN else f"{head} ..."
