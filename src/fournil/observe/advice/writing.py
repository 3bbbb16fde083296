"""What to write as a rule says, and where."""

from __future__ import annotations

import ast
import re

from fournil.evidence.classify import Blocker
from fournil.observe.advice import edits, moves, sendable
from fournil.observe.advice.choice import ALSO_PLAIN, Found
from fournil.observe.advice.context import Context, Place
from fournil.observe.advice.edits import Edit
from fournil.observe.advice.effects import Effect, Running, find_around, find_effect, find_seeded
from fournil.observe.advice.moves import Code
from fournil.observe.advice.needs import sent
from fournil.observe.advice.program import Module
from fournil.observe.advice.rules.rule import Rule
from fournil.observe.advice.sizes import Sent, load_of
from fournil.observe.advice.work import last_name

FEW, SHORT = 1_000, 1 << 20
"""To send fewer items or bytes costs next to nothing."""

REDUCERS = re.compile(
    r"len|sum|min|max|any|all|hash|bool|count|index|find|mean|std|var|median|total|isinstance"
)
"""Calls whose results are small, whatever they are given."""


def sent_by(context: Context, code: Code) -> Sent | None:
    """Return what the moved expression needs and returns; None: not known."""
    place = context.place
    if place.module is None or place.scope is None or not isinstance(code.moved, ast.expr):
        return None
    return sent(place.module, place.scope, code.moved)


def effect_for(found: Found, context: Context, code: Code | None) -> Effect | None:
    """Return what stands in the way of running it elsewhere; None: nothing is known to."""
    rule, place = found.rule, context.place
    if place.module is None or place.scope is None or rule.to == "code" or rule.gil:
        return None
    if context.is_direct and (rule.template or (code is None and rule.to == "await")):
        if code is None or code.moved is None:
            return None
        around = find_around(place.module, place.scope, code.moved, rule.to)
        return around or (find_seeded(place.module, code.moved) if rule.to == "process" else None)
    work = place.work
    loop = None if work.is_sure else work.loop
    node = code.moved if code else loop or work.expression or work.loop or work.statement
    if node is None:
        return None
    to = "process" if rule.to == "process" else "thread"
    ran = [Running(one.module, one.scope) for one in context.between if one.module and one.scope]
    return find_effect(
        place.module,
        place.scope,
        node,
        ran,
        to,
        is_written=code is not None,
        is_plain=code is not None and code.is_plain,
        is_result=not rule.returned,
    )


def warnings(context: Context, code: Code) -> list[str]:
    """Return what is to be known of what travels to a process and back."""
    module = context.place.module
    found = []
    if module and sendable.holds_unknown(module, code.moved):
        found.append("`self` is sent along, with all that it holds.")
    if module and (filling := sendable.grows(module, code.moved)):
        found.append(
            f"`{filling}` returns what it fills: many objects take about as long to be sent as to "
            "be made, and then one function does what is done with them, too."
        )
    return found


def code_for(found: Found, context: Context) -> Code | None:
    rule, place = found.rule, context.place
    module, scope = place.module, place.scope
    if context.situation == "import" and context.cause.module is not None:
        return _import_moved(context.cause.module, context.cause.work.statement)
    if module is None or scope is None or not context.may_await or rule.to == "code":
        return None
    if (context.situation and context.situation not in ALSO_PLAIN) or rule.gil:
        return None
    code = _direct(found, context, module, scope) if context.is_direct else None
    if not context.is_direct and _may_move_caller(found, context):
        code = _moved(rule, place, module, scope, place.work.expression, context)
    if code is None or not code.edits or not context.in_callback:
        return code
    if not isinstance(scope, ast.FunctionDef):
        return code._replace(edits=())
    task = edits.as_task(module, scope)
    return code._replace(edits=(*code.edits, *task) if task else ())


def _direct(found: Found, context: Context, module: Module, scope: ast.AST) -> Code | None:
    rule, work = found.rule, context.place.work
    call = found.call or (work.calls[0] if len(work.calls) == 1 else None)
    if rule.template:
        return moves.filled(module, call, rule.template, rule.needs, rule.define) if call else None
    return _moved(rule, context.place, module, scope, found.call or work.expression, context)


def _moved(
    rule: Rule,
    place: Place,
    module: Module,
    scope: ast.AST,
    expression: ast.expr | None,
    context: Context,
) -> Code | None:
    """Return the code that sends an expression, or the loop around it, elsewhere."""
    if rule.changes and context.is_direct:
        return None
    wrap = moves.PROCESS if rule.to == "process" else moves.THREAD
    loop = None if place.work.is_entered else place.work.loop
    computes = context.blocker is not Blocker.WAITING
    if loop is not None and (computes or expression is None):
        if code := moves.loop_moved(module, scope, loop, wrap):
            return code
        if context.blocker is Blocker.PYTHON and not place.work.is_sure:
            return None  # it is the loop itself that takes the time
    if expression is None:
        return None
    # Which call took the time is not known: none may be left behind among the arguments.
    is_known = place.work.is_sure or (context.is_direct and rule.calls != "")
    if wrap == moves.THREAD or not rule.result:
        expression = _chain(module, expression)
    is_plain = _has_plain_arguments(expression)
    whole = place.work.is_lazy or not (is_known or is_plain)
    if wrap == moves.PROCESS and not place.work.is_sure and not is_plain:
        whole = True  # what is made for it alone need not be sent
    if rule.result and wrap == moves.PROCESS:
        wider = _wider(module, expression)
        if wider is None and rule.result != "wide" and not rule.returned:
            return None
        if wider is None:
            return moves.moved(module, scope, expression, wrap, whole=whole, result=rule.returned)
        return moves.moved(module, scope, wider, wrap, whole=True)
    if rule.costly and isinstance(expression, ast.Call) and context.is_direct:
        made = any(isinstance(one, (ast.Call, ast.BinOp)) for one in expression.args)
        if not made and not all(_is_small(module, one) for one in expression.args):
            return None
        whole = True
    return moves.moved(module, scope, expression, wrap, whole=whole, apart=rule.apart)


def _is_small(module: Module, node: ast.expr) -> bool:
    load = load_of(module, node)
    return load is not None and load.items < FEW and load.size < SHORT


def _chain(module: Module, node: ast.expr) -> ast.expr:
    """Return a call with the methods that are called of its result: `urlopen(url).read()`."""
    while True:
        method = module.parents.get(node)
        call = module.parents.get(method) if isinstance(method, ast.Attribute) else None
        if not isinstance(call, ast.Call) or call.func is not method:
            return node
        if isinstance(module.parents.get(call), ast.Await):
            return node  # it is a coroutine's
        node = call


def _has_plain_arguments(node: ast.expr) -> bool:
    inside = [one for child in ast.iter_child_nodes(node) for one in ast.walk(child)]
    return not any(isinstance(one, (ast.Call, ast.BinOp, ast.ListComp)) for one in inside)


def _wider(module: Module, node: ast.expr) -> ast.expr | None:
    """Return the expression around one that keeps only a small part of its result."""
    found: ast.expr | None = None
    for outer in module.enclosing(node):
        match outer:
            case ast.Call(function) if function is node or REDUCERS.fullmatch(
                last_name(module, outer)
            ):
                found = outer
            case ast.Subscript() | ast.Compare() | ast.UnaryOp(op=ast.Not()):
                found = outer
            case ast.Attribute() | ast.GeneratorExp() | ast.comprehension():
                pass
            case _:
                break
        node = outer if isinstance(outer, ast.expr) else node
    return found


def _may_move_caller(found: Found, context: Context) -> bool:
    """Whether what a function returns can be sent, and what it changes is its own."""
    rule, cause = found.rule, context.cause
    module, call = cause.module, found.call
    if rule.to != "process" and not rule.apart:
        return True
    if module is None or call is None or cause.scope is None:
        return not rule.changes and not rule.apart
    if rule.apart:
        return _is_its_own(module, cause.scope, call.func)
    if rule.result in {"large", "stays"} and isinstance(module.parents.get(call), ast.Return):
        return False
    if rule.changes:
        changed = call.func.value if isinstance(call.func, ast.Attribute) else None
        first = call.args[0] if call.args else None
        return any(_is_its_own(module, cause.scope, one) for one in (changed, first) if one)
    return True


def _is_its_own(module: Module, scope: ast.AST, node: ast.expr) -> bool:
    """Whether an object was made in the function itself."""
    while isinstance(node, (ast.Attribute, ast.Call, ast.Subscript)):
        node = node.func if isinstance(node, ast.Call) else node.value
    if not isinstance(node, ast.Name):
        return False
    value = module.value_of(node, node.id)
    return value is not None and scope in module.enclosing(value)


def _import_moved(module: Module, statement: ast.stmt | None) -> Code | None:
    if statement is None:
        return None
    source = module.source(statement)
    is_alone = len(getattr(module.parents.get(statement), "body", [])) == 1
    line = module.lines[statement.lineno - 1]
    if line[: statement.col_offset].strip() or ";" in line:
        is_alone = True  # others stand on its line
    top = edits.imports(module, ["\0"])[0].line
    gone = edits.replace(module, statement, "pass" if is_alone else "")
    if not is_alone:
        gone = Edit(statement.lineno, 0, (statement.end_lineno or 0) + 1, 0, "")
    return Code(source, (edits.insert(top, f"{source}\n"), gone))
