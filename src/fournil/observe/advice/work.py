"""Which expression of a line took the time: by the function that it called, or by what it can be.

The watch sees lines and the Python functions that they call. Where C code was called, all calls
on the line may have been the one, and the rules choose between them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from fournil.evidence.stacks import Frame, plain_name
from fournil.observe.advice.program import Module
from fournil.observe.advice.tree import COMPREHENSIONS, is_generator, is_property

LAZY = re.compile(
    r"(map|filter|zip|enumerate|reversed|iter|range|open)|(itertools\..*)|"
    r".*\.(groupby|rolling|resample|expanding|scandir|iterdir|walk|rglob|glob|reader|"
    r"imap_unordered|imap)"
)
"""Calls that return at once: what they return does the work when it is asked."""

SMALL = re.compile(
    r"print|len|str|int|float|bool|next|isinstance|format|append|extend|add|range|iter|super|"
    r"getattr|hasattr|type|id|repr|get|items|keys|values|strip|split|encode|decode|info|debug"
)
"""Calls that most likely are not what takes the time, when others stand beside them."""

CLASS_METHODS = frozenset({"__init__", "__new__", "__post_init__", "__call__"})

ENTERS = frozenset({"__enter__", "__exit__"})

BY_C_CODE = re.compile(r"__(lt|le|gt|ge|eq|ne|hash|reduce|reduce_ex|getstate|setstate)__")
"""Methods that C code calls again and again: what it does is the work."""

OPERATORS: dict[type[ast.expr], re.Pattern[str]] = {
    ast.Compare: re.compile(r"__(contains|eq|ne|lt|le|gt|ge)__"),
    ast.Subscript: re.compile(r"__getitem__"),
    ast.UnaryOp: re.compile(r"__(neg|pos|invert)__"),
    ast.BinOp: re.compile(
        r"__r?(add|sub|mul|matmul|truediv|floordiv|mod|divmod|pow|lshift|rshift|and|or|xor)__"
    ),
}
"""Methods that operators call, by what these are."""

How = Literal["called", "lazy", "handed", "awaited"]

LOOPS = (ast.For, ast.While)
MAKING = (ast.ListComp, ast.SetComp, ast.DictComp)
COMPREHENSION = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Work(NamedTuple):
    """What a line did that took long."""

    statement: ast.stmt | None
    expressions: tuple[ast.expr, ...]  # all that the line evaluates
    calls: tuple[ast.Call, ...]  # one of these, the likeliest first
    expression: ast.expr | None  # that took the time, whichever call it was
    loop: ast.For | ast.While | None  # of the same function, and waits for nothing in between
    is_sure: bool  # the function that it called tells which it was
    is_lazy: bool  # it works by what the line asks for piece by piece, as a generator
    is_handed: bool  # the function was handed to what the line called, as a key to sort by
    is_awaited: bool  # it was in a coroutine of a library, which the line awaits
    is_entered: bool = False  # it was in what a `with` enters or leaves


NOTHING = Work(None, (), (), None, None, False, False, False, False)


def find_work(
    module: Module, scope: ast.AST, line: int, called: Frame | None, callee: ast.AST | None
) -> Work:
    """Return what took the time on a line.

    Args:
        scope: the function that the line belongs to.
        called: the frame inside this line's; None: C code, or the line itself.
        callee: the function of that frame, where its source is known.
    """
    if isinstance(scope, ast.expr):  # a lambda or a comprehension
        statements = [one for one in module.enclosing(scope) if isinstance(one, ast.stmt)][:1]
    else:
        statements = module.statements_at(scope, line)
    defines = (ast.FunctionDef, ast.AsyncFunctionDef)
    statements = [one for one in statements if not isinstance(one, defines)]
    if not statements:
        return NOTHING
    statement = statements[0]
    loop = _loop_around(module, scope, statement)
    expressions = [found for one in statements for found in _expressions(one)]
    if isinstance(statement, ast.With) and called and plain_name(called.function) in ENTERS:
        return NOTHING._replace(statement=statement, loop=loop, is_sure=True, is_entered=True)
    found = _called(module, expressions, line, called, callee) if called else None
    if found is not None:
        expression, how = found
        sure = (expression,) if isinstance(expression, ast.Call) else ()
        kinds = (how == "lazy", how == "handed", how == "awaited")
        return Work(statement, tuple(expressions), sure, expression, loop, True, *kinds)
    calls = tuple(_candidates(module, expressions, line))
    whole = _whole(module, expressions, calls)
    by_c_code = called is not None and BY_C_CODE.fullmatch(plain_name(called.function))
    kinds = (False, by_c_code is not None and by_c_code is not False, False)
    return Work(statement, tuple(expressions), calls, whole, loop, False, *kinds)


def _expressions(statement: ast.stmt) -> Iterator[ast.expr]:
    """Yield the expressions of a statement, of a compound one those of its head."""
    for name, value in ast.iter_fields(statement):
        if name in {"body", "orelse", "finalbody", "handlers", "cases"}:
            continue
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, ast.withitem):
                yield one.context_expr
            elif isinstance(one, ast.expr) and name not in {"targets", "target", "annotation"}:
                yield one


def _nodes(expressions: list[ast.expr]) -> Iterator[ast.expr]:
    """Yield what is evaluated by the statement itself, in the order in which it is written."""
    for node in expressions:
        yield node
        if isinstance(node, ast.Lambda):
            continue
        if isinstance(node, COMPREHENSION):
            yield from _nodes([node.generators[0].iter])
            continue
        yield from _nodes(list(_expressions_in(list(ast.iter_child_nodes(node)))))


def _expressions_in(nodes: list[ast.AST]) -> Iterator[ast.expr]:
    for node in nodes:
        if isinstance(node, ast.expr):
            yield node
        else:  # a keyword, a slice
            yield from _expressions_in(list(ast.iter_child_nodes(node)))


def _all_nodes(expressions: list[ast.expr]) -> Iterator[ast.expr]:
    for expression in expressions:
        for node in ast.walk(expression):
            if isinstance(node, ast.expr):
                yield node


def _spans(node: ast.expr, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or node.lineno)


def last_name(module: Module, call: ast.Call) -> str:
    """Return the name that a call's function was defined by, as far as it is known."""
    match call.func:
        case ast.Attribute(attr=name):
            return name
        case ast.Name(name):
            return plain_name(module.imports.get(name, name))
    return ""


def is_small(call: ast.Call) -> bool:
    """Whether a call is most likely not what takes the time."""
    name = getattr(call.func, "attr", "") or getattr(call.func, "id", "")
    return SMALL.fullmatch(str(name)) is not None


def _called(
    module: Module,
    expressions: list[ast.expr],
    line: int,
    called: Frame,
    callee: ast.AST | None,
) -> tuple[ast.expr | None, How] | None:
    """Return the expression that led to the frame inside, and how.

    No expression: what asks a lazy one is a loop. None: the line does not tell.
    """
    name = plain_name(called.function)
    nodes = [node for node in _all_nodes(expressions) if _spans(node, line)]
    if kind := COMPREHENSIONS.get(name):
        inner = [node for node in nodes if isinstance(node, kind)]
        how: How = "lazy" if name == "<genexpr>" else "handed" if name == "<lambda>" else "called"
        return (_consumer(module, inner[0], expressions), how) if inner else None
    owner = called.function.split(".")[-2] if called.function.count(".") else ""
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    for call in calls:
        by_class = name in CLASS_METHODS and last_name(module, call) == owner
        if not by_class and last_name(module, call) != name:
            continue
        if _is_awaited(module, call):
            return None, "awaited"
        if (callee is not None and is_generator(callee)) or LAZY.fullmatch(
            module.origin(call.func)
        ):
            return _consumer(module, call, expressions), "lazy"
        return _out_of_comprehensions(module, call, expressions), "called"
    if callee is not None and is_property(callee):
        for node in nodes:
            if isinstance(node, ast.Attribute) and node.attr == name:
                found = _out_of_comprehensions(module, node, expressions)
                return found, "called" if found is node else "lazy"
    operators = tuple(kind for kind, names in OPERATORS.items() if names.fullmatch(name))
    operations = [node for node in nodes if isinstance(node, operators)]
    if len(operations) == 1:
        return _out_of_comprehensions(module, operations[0], expressions), "lazy"
    if operations and len(expressions) == 1:
        return expressions[0], "lazy"
    # It may have been handed over, as a key to sort by.
    for call in calls:
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        for one in given:
            handed = getattr(one, "id", None) or getattr(one, "attr", None)
            if handed == name:
                return _consumer(module, one, expressions), "handed"
    return None


def _consumer(module: Module, node: ast.expr, expressions: list[ast.expr]) -> ast.expr | None:
    """Return the expression that asks a lazy one for what it has: a call that it is given to.

    A list of a comprehension does its own work.
    """
    found: ast.expr = node
    if not isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp)):
        for outer in module.enclosing(node):
            if isinstance(outer, ast.stmt):
                return None  # a loop's head, or an assignment: the work is done elsewhere
            if isinstance(outer, ast.Call) and not LAZY.fullmatch(module.origin(outer.func)):
                found = outer
                break
            if isinstance(outer, (ast.ListComp, ast.SetComp, ast.DictComp)):
                found = outer
                break
    return _out_of_comprehensions(module, found, expressions)


def _out_of_comprehensions(module: Module, node: ast.expr, expressions: list[ast.expr]) -> ast.expr:
    """Return the comprehension or the call around what runs once for each of its items."""
    found: ast.expr = node
    before: ast.AST = node
    for outer in module.enclosing(node):
        if isinstance(outer, ast.stmt):
            break
        first = isinstance(outer, ast.comprehension) and before is outer.iter
        if isinstance(outer, ast.Lambda) or (isinstance(outer, COMPREHENSION) and not first):
            found = outer
            if isinstance(outer, (ast.Lambda, ast.GeneratorExp)):
                found = _consumer(module, found, expressions) or found
        before = outer
    return found


def _candidates(module: Module, expressions: list[ast.expr], line: int) -> list[ast.Call]:
    """Return the calls of a line that may have taken the time, the likeliest first."""
    calls = [
        node
        for node in _nodes(expressions)
        if isinstance(node, ast.Call) and not _is_awaited(module, node)
    ]
    here = [call for call in calls if _line_of(call) == line]
    calls = [
        call
        for call in here or calls
        if not LAZY.fullmatch(module.origin(call.func))
        and not isinstance(module.definition(last_name(module, call)), ast.AsyncFunctionDef)
    ]
    return sorted(calls, key=lambda call: SMALL.fullmatch(last_name(module, call)) is not None)


def _line_of(call: ast.Call) -> int:
    # Where a method's name stands, which is the line that CPython gives to its call.
    if isinstance(call.func, ast.Attribute):
        return call.func.end_lineno or call.lineno
    return call.lineno


def _is_awaited(module: Module, node: ast.expr) -> bool:
    return isinstance(module.parents.get(node), ast.Await)


def _whole(
    module: Module, expressions: list[ast.expr], calls: tuple[ast.Call, ...]
) -> ast.expr | None:
    """Return the expression in which the work is, whichever of a line's calls it was."""
    made = [node for node in _nodes(expressions) if isinstance(node, MAKING)]
    large = [call for call in calls if not SMALL.fullmatch(last_name(module, call))]
    if len(large) == 1:
        return large[0]
    if not large and len(made) == 1:
        return made[0]  # CPython 3.12 and newer have no frame for it
    if not large and len(calls) == 1 and not isinstance(expressions[0], ast.BinOp):
        return calls[0]
    values = [
        one
        for one in expressions
        if not isinstance(one, (ast.Constant, ast.Name))
        and not (isinstance(one, ast.Call) and LAZY.fullmatch(module.origin(one.func)))
        and not (isinstance(one, ast.Call) and is_small(one) and len(expressions) > 1)
    ]
    return values[0] if len(values) == 1 else None


def _loop_around(module: Module, scope: ast.AST, statement: ast.stmt) -> ast.For | ast.While | None:
    """Return the outermost loop of the same function around a statement that never waits."""
    found = None
    if isinstance(scope, ast.expr):
        return None
    for node in (statement, *module.enclosing(statement)):
        if node is scope:
            break
        if not isinstance(node, LOOPS):
            continue
        waits = (ast.Await, ast.AsyncFor, ast.AsyncWith, ast.Yield, ast.YieldFrom)
        if any(isinstance(inner, waits) for inner in ast.walk(node)):
            break
        found = node
    return found
