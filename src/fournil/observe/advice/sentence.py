"""The rule of a context, its sentence, and the code that the sentence shows."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import NamedTuple

from fournil.evidence.classify import Blocker
from fournil.evidence.stacks import plain_name
from fournil.observe.advice import edits, moves
from fournil.observe.advice.context import Context, Place
from fournil.observe.advice.edits import Edit
from fournil.observe.advice.locks import Held
from fournil.observe.advice.moves import Code
from fournil.observe.advice.program import Module
from fournil.observe.advice.rules import RULES
from fournil.observe.advice.rules.rule import Rule
from fournil.observe.advice.sizes import Sent
from fournil.observe.advice.work import last_name
from fournil.observe.words import size

LARGE = 1 << 20
"""So many bytes are worth telling."""

SO_LARGE = "which takes about as long as the work itself"

REDUCERS = re.compile(
    r"len|sum|min|max|any|all|hash|bool|count|index|find|mean|std|var|median|total|isinstance"
)
"""Calls whose results are small, whatever they are given."""

UNNAMED = "this expression"
"""Stands for a call where the source does not show it."""


ALSO_PLAIN = frozenset({"containers", "comprehension", "awaited"})
"""Situations in which a rule may also be about what is called there."""


Named = tuple[tuple[str, str], ast.Call | None]
"""What a call stands for and how it is written, and the call; no call where a `with` enters."""


class Found(NamedTuple):
    """A rule that applies, and the call that it is about."""

    rule: Rule
    call: ast.Call | None


class Said(NamedTuple):
    """A sentence, and the edits that it tells of; none: it tells of none that can be made."""

    rule: Rule
    text: str
    file: str
    edits: tuple[Edit, ...]
    is_written: bool  # it says what to write, not only what is known
    sends: Sent | None  # what travels to a process and back; None: not known
    imports: bool = True  # the process imports what not every Python has
    held: Held | None = None  # the lock that is held meanwhile
    runs: str = ""  # the file of what runs there


def say(context: Context) -> Said:
    """Return the sentence of the first rule that applies."""
    found = rule_for(context)
    code = _code(found, context)
    text = _text(found, context, code)
    written = code is not None
    sends = _sent(context, code) if code and found.rule.to == "process" else None
    file = context.place.frame.file
    held = context.held_around if found.rule.to == "process" else context.held
    edits = code.edits if code else ()
    imports = code is None or code.imports
    return Said(found.rule, text, file, edits, written, sends, imports, held, context.runs or file)


def too_large(said: Said) -> str:
    """Return the sentence where what is to be sent takes as long as the work."""
    told = "What is to be sent to a process takes about as long as the work itself"
    travels = said.sends.out.plus(said.sends.back).size if said.sends else 0
    if travels > LARGE:
        told = f"About {size(int(travels))} are to be sent to a process, {SO_LARGE}"
    return (
        f"{told}: make it where it is used, in one function for `fournil.to_process`; a big "
        "buffer for many calls is placed in shared memory once by `fournil.share`."
    )


def _sent(context: Context, code: Code) -> Sent | None:
    """Return what the moved expression needs and returns; None: not known."""
    place = context.place
    if place.module is None or place.scope is None or code.moved is None:
        return None
    return moves.sent(place.module, place.scope, code.moved)


def rule_for(context: Context) -> Found:
    """Return the first rule of the table that applies."""
    names = list(_names(context))
    return next(found for rule in RULES if (found := _found(rule, context, names)))


def _found(rule: Rule, context: Context, calls: list[Named]) -> Found | None:
    if context.blocker not in rule.blockers or (rule.gil and not context.waited_for_gil):
        return None
    situations = {context.situation, ""} if context.situation in ALSO_PLAIN else {context.situation}
    if rule.situation not in situations and not (rule.gil or rule.starved):
        return None
    if rule.starved and (context.cpu_s is None or context.cpu_s >= context.threshold_s):
        return None
    if rule.imports and not any(module.startswith("importlib") for module, _ in context.inside):
        return None
    if rule.called and not re.fullmatch(rule.called, context.called):
        return None
    if rule.around and not _is_seen(rule.around, context.around):
        return None
    if not rule.calls and not rule.inside:
        is_general = not (rule.situation or rule.gil or rule.starved or rule.around)
        return None if is_general and context.situation == "awaited" else Found(rule, None)
    for names, call in calls if rule.calls else ():
        if any(re.fullmatch(rule.calls, name) for name in names):
            return Found(rule, call)
    return Found(rule, None) if _is_seen(rule.inside, context.inside) else None


def _is_seen(pattern: str, frames: tuple[tuple[str, str], ...]) -> bool:
    return bool(pattern) and any(
        re.fullmatch(pattern, f"{module}:{function}") for module, function in frames
    )


def _names(context: Context) -> Iterator[Named]:
    """Yield the names of what the line calls: what they stand for, and as they are written."""
    module, work = context.cause.module, context.cause.work
    if module is None:
        return
    for call in work.calls:
        written = re.sub(r"\s", "", module.source(call.func))
        yield (module.origin(call.func), written), call
    for node in ast.walk(work.expression) if work.expression else ():
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
            left = module.origin(node.left), module.source(node.left)
            yield (f"{left[0]}.__matmul__", f"{left[1]}.__matmul__"), None
    if isinstance(work.statement, ast.With):
        for item in work.statement.items:
            names = module.origin(item.context_expr), module.source(item.context_expr)
            yield (f"{names[0]}.__enter__", f"{names[1]}.__enter__"), None


# The code.


def _code(found: Found, context: Context) -> Code | None:
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
    loop = place.work.loop
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
    if wrap == moves.THREAD:
        expression = _chain(module, expression)
    whole = place.work.is_lazy or not (is_known or _has_plain_arguments(expression))
    if rule.result and wrap == moves.PROCESS:
        wider = _wider(module, expression)
        if wider is None and rule.result != "wide" and not rule.returned:
            return None
        if wider is None:
            return moves.moved(module, scope, expression, wrap, result=rule.returned)
        return moves.moved(module, scope, wider, wrap, whole=True)
    if rule.costly and isinstance(expression, ast.Call) and context.is_direct:
        if not any(isinstance(one, (ast.Call, ast.BinOp)) for one in expression.args):
            return None
        whole = True
    return moves.moved(module, scope, expression, wrap, whole=whole, apart=rule.apart)


def _chain(module: Module, node: ast.expr) -> ast.expr:
    """Return a call with the methods that are called of its result: `urlopen(url).read()`."""
    while True:
        method = module.parents.get(node)
        call = module.parents.get(method) if isinstance(method, ast.Attribute) else None
        if not isinstance(call, ast.Call) or call.func is not method:
            return node
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
    if rule.result and isinstance(module.parents.get(call), ast.Return):
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


# The sentence.


def _text(found: Found, context: Context, code: Code | None) -> str:
    rule, cause = found.rule, context.cause
    call = _called(found, cause)
    fields = {
        "call": call,
        "first": _first_argument(found, cause),
        "holder": context.holder or "another thread",
        "function": plain_name(cause.frame.function),
        "inside": ", ".join(f"`{name}` of {module}" for module, name in context.inside[-1:]),
        "code": f"`{code.shown}`" if code else "",
    }
    parts = [rule.why.format(**fields)]
    if code is not None:
        parts += [rule.how.format(**fields), *_where(context)]
    elif not context.may_await and rule.to not in {"code", "process"}:
        parts += [_cannot_await(context)]
    else:
        parts += [_elsewhere(context, rule), rule.instead.format(**fields)]
    text = ""
    for part in filter(None, parts):
        first = part[0] if text.endswith(":") else part[0].upper()
        text = f"{text} {first}{part[1:]}".lstrip()
    return text


def _elsewhere(context: Context, rule: Rule) -> str:
    """Return what is generally known, where a rule has no more to say."""
    if rule.instead or rule.to == "code":
        return ""
    name = "fournil.to_process" if rule.to == "process" else "asyncio.to_thread"
    if context.place.module is None and context.place.called.isidentifier():
        return f"`await {name}({context.place.called}, ...)`."
    return f"put it in a function of its own, for `await {name}(...)`."


def _where(context: Context) -> list[str]:
    """Return where to write it, where that is not the line that took the time."""
    told = []
    if not context.is_direct and not context.in_callback:
        frame = context.place.frame
        place = f"{PurePath(frame.file).name}:{frame.line}"
        inner = plain_name(context.cause.frame.function)
        told.append(
            f"There, in `{plain_name(frame.function)}` at {place}: `{inner}` is called by it, and "
            "cannot await."
        )
    if context.in_callback:
        name = plain_name(context.place.frame.function)
        told.append(
            f"`{name}` is a callback and cannot await: let it start a task that does what it did, "
            "`asyncio.create_task(...)`."
        )
    return told


def _cannot_await(context: Context) -> str:
    name = plain_name(context.cause.frame.function)
    return f"`{name}` cannot await, and no coroutine of the program's own calls it."


def _called(found: Found, cause: Place) -> str:
    call = found.call
    if call is None and cause.work.calls[:1] == (cause.work.expression,):
        call = cause.work.calls[0]
    if call is not None and cause.module is not None:
        source = " ".join(cause.module.source(call.func).split())
        return f"`{source if len(source) <= 60 else f'...{last_name(cause.module, call)}'}`"
    if call is None and cause.module is None and cause.called.isidentifier():
        return f"`{cause.called}`"
    return UNNAMED


def _first_argument(found: Found, cause: Place) -> str:
    if found.call is not None and cause.module is not None and found.call.args:
        source = cause.module.source(found.call.args[0])
        if len(source) <= 30 and "\n" not in source:
            return f"`{source}`"
    return "its argument"
