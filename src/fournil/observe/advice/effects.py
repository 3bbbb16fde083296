"""Why work cannot just be sent elsewhere: what it does there that is meant to be done here. Pure.

As far as the sources of the functions tell that ran, and of those that they call.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence, Set
from typing import NamedTuple

from fournil.observe.advice.changes import (
    changed_later,
    changed_names,
    changed_outside,
    changes_of,
    given_to,
    root_of,
)
from fournil.observe.advice.needs import free_names, is_made_in, loaded_after
from fournil.observe.advice.program import Called, Module
from fournil.observe.advice.sendable import UNSENDABLE, held_by, raised_by
from fournil.observe.advice.tree import Function, is_parameter

CACHES = frozenset({"lru_cache", "cache", "cached", "memoize", "cachedmethod", "ttl_cache"})
"""Decorators of functions that keep their results."""

LOOPS = re.compile(
    r"asyncio\.(create_task|ensure_future|get_running_loop|get_event_loop|current_task|"
    r"all_tasks|gather|wait_for|timeout|shield)|asyncio\.\w+\(\)\.\w+|"
    r".*\.(set_result|set_exception|call_soon|call_later|call_at|create_future|create_task)"
)
"""What only the loop's own thread may call."""

SEEDS = re.compile(r"(random|numpy\.random)\.seed")
GLOBAL_RANDOM = re.compile(r"(random|numpy\.random)\.\w+")

LOCKS = re.compile(r"threading\.(R?Lock|Condition|(Bounded)?Semaphore)\(\)|(\w+\.)*\w*[lL]ock")
"""What a `with` of a thread's lock enters."""

SETTINGS = re.compile(
    r"decimal\.localcontext\(\)|numpy\.(errstate|printoptions)\(\)|warnings\.catch_warnings\(\)|"
    r"contextlib\.(redirect_\w+|chdir)\(\)|pandas\.option_context\(\)|(unittest\.)?mock\.patch.*\(\)"
)
"""What a `with` sets for what runs inside."""

CONNECTION = re.compile(r"sqlite3\.(connect|Connection|Cursor)\(\)(\.(cursor|execute\w*)\(\))?")
"""What may only be used in the thread that made it."""


class Effect(NamedTuple):
    """What stands in the way."""

    kind: str  # of TEXTS
    function: str  # that does it; empty: the line itself
    what: str  # to what, or with what

    @property
    def text(self) -> str:
        function = f"`{self.function}`" if self.function else "this line"
        return TEXTS[self.kind].format(function=function, name=self.function, what=self.what)


TEXTS = {
    "object": "{function} changes its object `{what}`, and a process would change a copy: have "
    "{function} return the new values, and assign them here.",
    "argument": "{function} changes `{what}`, which it is given, and a process would change a "
    "copy: have {function} return what is new, and put that in place here.",
    "line": "this changes `{what}`, and a process would change a copy: put it in a function of its "
    "own, for `await fournil.to_process(...)`, that returns what is new.",
    "around": "{function} changes `{what}`, and a process has its own: have {function} return "
    "the new value, and change `{what}` here.",
    "reads": "{function} reads `{what}`, which changes while the program runs, and a process has "
    "its own: hand it over as an argument.",
    "random": "{function} draws from `random`, which is seeded here, and a process has its own: "
    "have it draw from a `random.Random(seed)` that it is given.",
    "result": "{what} cannot be sent: have one function make it and use it, and "
    "return what that gives.",
    "holds": "`{what}` with its {name} cannot be sent: give the function what it needs of it, "
    "or leave that out by `__getstate__`.",
    "sent": "`{what}` cannot be sent: have one function make it and use it, for "
    "`await fournil.to_process(...)`.",
    "cache": "{function} keeps its results, and each process would keep its own: keep here what "
    "`await fournil.to_process({name}.__wrapped__, ...)` returns.",
    "property": "{function} is kept in its object, and a process would keep it in a copy: have a "
    "function return it, and assign that here.",
    "raises": "{function} raises `{what}`, which cannot be made again of what it hands on to "
    "`super().__init__`: hand on all that its own `__init__` asks for.",
    "context": "{function} reads the context variable `{what}`, which a process has only of a "
    "`fournil.ProcessPool(context_vars=[{what}])`.",
    "local": "{function} uses `{what}`, of which each thread has its own: hand over what it "
    "needs of it.",
    "loop": "{function} calls `{what}`, which only the loop's own thread may: leave that call "
    "here, and put the rest in a function of its own.",
    "held": "a thread's lock, `{what}`, would be held meanwhile, and whoever else wants it stops "
    "the loop: do this before or after the `with`, or use an `asyncio.Lock`.",
    "within": "`{what}` is for this thread and process: put that `with` into a function of its own "
    "as well.",
    "connection": "the result, a connection of `sqlite3`, may only be used in the thread that made "
    "it: have one function open it, use it and close it.",
}


class Running(NamedTuple):
    """A function that ran inside the line, with its source."""

    module: Module
    function: ast.AST


def find_effect(
    module: Module,
    scope: ast.AST,
    node: ast.expr | ast.stmt,
    ran: Sequence[Running],
    to: str,
    *,
    is_written: bool,
    is_plain: bool,
    is_result: bool,
) -> Effect | None:
    """Return what stands in the way of running an expression or a loop elsewhere.

    Args:
        scope: the function that it stands in.
        ran: the functions that were seen to run inside it.
        to: "thread" or "process".
        is_written: code was found for it: what it needs can be sent, or made there.
        is_plain: what its arguments call is left where it is.
        is_result: the value of the expression is what is returned.
    """
    called = list(_calls(module, [node] if is_plain else ast.walk(node)))
    reached = dict(_reached(module, [found.function for _, found in called]))
    reached_by_name = frozenset(reached)
    if not is_plain:
        reached[node] = module
    reached |= {one.function: one.module for one in ran}
    if (effect := find_around(module, scope, node, to)) is not None:
        return effect
    for function, home in reached.items():
        if (effect := _anywhere(home, function)) is not None:
            return effect
    if to == "thread":
        is_kept = not isinstance(module.parents.get(node), ast.Expr)
        origin = module.origin(node) if isinstance(node, ast.expr) and is_kept else ""
        return Effect("connection", "", "") if CONNECTION.fullmatch(origin) else None
    return (
        _changed(module, scope, node, called)
        or _changed_in(ran, {found.function for _, found in called})
        or _changed_by_heirs(ran, reached_by_name)
        or _of_process(reached)
        or (_unsendable_result(module, node) if is_result else None)
        or _unsendable(module, node, is_written=is_written)
    )


def find_around(
    module: Module, scope: ast.AST, node: ast.expr | ast.stmt, to: str
) -> Effect | None:
    """Return what a `with` around it does that an `await` inside may not bear."""
    for outer in module.enclosing(node):
        if outer is scope:
            break
        for item in outer.items if isinstance(outer, ast.With) else ():
            if node in ast.walk(item.context_expr):
                continue
            origin = module.origin(item.context_expr)
            if LOCKS.fullmatch(origin):
                return Effect("held", "", module.source(item.context_expr))
            if to == "process" and SETTINGS.fullmatch(origin):
                return Effect("within", "", origin.removesuffix("()"))
    return None


def _changed_in(ran: Sequence[Running], known: Set[ast.AST]) -> Effect | None:
    """Return what the outermost function changes that ran, where what it was given is not known."""
    if not ran or ran[-1].function in known:
        return None
    module, function = ran[-1]
    if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return None
    changes = changes_of(module, function)
    if changes.around:
        return Effect("around", function.name, changes.around[0])
    for parameter in sorted(changes.given):
        return Effect("object" if parameter == "self" else "argument", function.name, parameter)
    return None


def _changed_by_heirs(ran: Sequence[Running], reached: Set[ast.AST]) -> Effect | None:
    """Return what a method changes that ran in the place of one that it overrides."""
    for module, function in ran:
        owner = module.class_around(function)
        if function in reached or owner is None or not isinstance(function, ast.FunctionDef):
            continue
        above = {module.class_named(getattr(base, "id", "")) for base in owner.bases}
        is_heir = any(module.class_around(one) in above for one in reached)
        if is_heir and "self" in changes_of(module, function).given:
            return Effect("object", function.name, "self")
    return None


def _reached(module: Module, pending: list[Function]) -> Iterator[tuple[ast.AST, Module]]:
    """Yield some functions and those of the module that they call."""
    seen: set[ast.AST] = set()
    while pending:
        function = pending.pop(0)
        if function in seen:
            continue
        seen.add(function)
        yield function, module
        pending += [found.function for _, found in _calls(module, ast.walk(function))]


def _calls(module: Module, nodes: Iterable[ast.AST]) -> Iterator[tuple[ast.AST, Called]]:
    """Yield the calls of the module's own functions, besides those that are to be awaited."""
    for one in nodes:
        found = module.called(one)
        if found is not None and not isinstance(found.function, ast.AsyncFunctionDef):
            yield one, found


def _anywhere(module: Module, function: ast.AST) -> Effect | None:
    """Return what stands in the way in another thread, too."""
    name = getattr(function, "name", "")
    for node in ast.walk(function):
        match node:
            case ast.Call(ast.Attribute() | ast.Name() as called):
                origin = module.origin(called)
                if LOOPS.fullmatch(origin):
                    return Effect("loop", name, " ".join(module.source(called).split()))
            case ast.Attribute(value) if module.origin(value) == "threading.local()":
                return Effect("local", name, module.source(value))
            case ast.Name(one) if module.origin(node) == "threading.local()":
                return Effect("local", name, one)
    return None


def _of_process(reached: dict[ast.AST, Module]) -> Effect | None:
    for function, module in reached.items():
        name = getattr(function, "name", "")
        kinds = module.decorators(function)
        if kinds & CACHES:
            return Effect("cache", name, "")
        if "cached_property" in kinds:
            return Effect("property", name, "")
        if raised := raised_by(module, function):
            return Effect("raises", name, raised)
        if effect := find_seeded(module, function):
            return effect
        if read := _read_later(module, function):
            return Effect("reads", name, read)
        for node in ast.walk(function):
            match node:
                case ast.Call(ast.Attribute(value, "get" | "set")):
                    if module.origin(value) == "contextvars.ContextVar()":
                        return Effect("context", name, module.source(value))
    return None


def _read_later(module: Module, function: ast.AST) -> str:
    """Return which name a function reads that changes later; what a line reads, it is given."""
    if not isinstance(function, ast.FunctionDef):
        return ""
    for node in ast.walk(function):
        match node:
            case ast.Name(name, ast.Load()) if name in changed_later(module):
                if not module.assignments(function, name) and not is_parameter(function, name):
                    return name
    return ""


def find_seeded(module: Module, node: ast.AST) -> Effect | None:
    """Return what draws from a generator of the module `random` that is seeded."""
    for one in ast.walk(node):
        if isinstance(one, ast.Call) and GLOBAL_RANDOM.fullmatch(module.origin(one.func)):
            return Effect("random", getattr(node, "name", ""), "") if _is_seeded(module) else None
    return None


def _is_seeded(module: Module) -> bool:
    return any(
        isinstance(node, ast.Call) and SEEDS.fullmatch(module.origin(node.func))
        for node in ast.walk(module.tree)
    )


def _changed(
    module: Module, scope: ast.AST, node: ast.expr | ast.stmt, called: list[tuple[ast.AST, Called]]
) -> Effect | None:
    """Return what the functions change that an expression calls, and others have as well."""
    for call, found in called:
        changes = changes_of(module, found.function)
        name = found.function.name
        if changes.around:
            return Effect("around", name, changes.around[0])
        for parameter, value in given_to(found, call):
            root = root_of(value)
            if parameter not in changes.given or root is None:
                continue
            if isinstance(node, ast.expr) and not _is_of_others(module, scope, node, root.id):
                continue
            if isinstance(node, ast.stmt) and is_made_in(module, scope, node, root.id):
                continue  # it is returned
            kind = "object" if value is found.receiver else "argument"
            return Effect(kind, name, " ".join(module.source(value).split()))
    if isinstance(node, ast.expr):
        for name in changed_names(module, ast.walk(node)):
            if _is_of_others(module, scope, node, name):
                return Effect("line", "", name)
        return None
    for name in changed_outside(module, node):
        if not is_made_in(module, scope, node, name):
            return Effect("line", "", name)
    return None


def _is_of_others(module: Module, scope: ast.AST, node: ast.expr, name: str) -> bool:
    """Whether an object is asked for after an expression, or belongs to more than its function."""
    inside = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
    bound = {
        one.id
        for part in ast.walk(node)
        if isinstance(part, ast.comprehension)
        for one in ast.walk(part.target)
        if isinstance(one, ast.Name)
    }
    if name not in inside or name in bound:
        return False
    statement = next((one for one in module.enclosing(node) if isinstance(one, ast.stmt)), None)
    if is_parameter(scope, name) or statement is None:
        return True
    values = [value for value, _ in module.assignments(scope, name)]
    shared = (ast.Name, ast.Attribute, ast.Subscript)
    if not values or any(isinstance(one, shared) for one in values):
        return True
    return name in loaded_after(module, scope, statement)


def _unsendable_result(module: Module, node: ast.expr | ast.stmt) -> Effect | None:
    if isinstance(node, ast.expr) and not isinstance(module.parents.get(node), ast.Expr):
        origin = module.origin(node)
        if UNSENDABLE.fullmatch(origin) and not origin.startswith("ctypes."):
            return Effect("result", "", _named(origin))
        owner = module.class_of(node) if isinstance(node, ast.Call) else None
        if owner is not None and (held := held_by(module, owner)):
            return Effect("result", "", f"a `{owner.name}` with its {held}")
    return None


def _unsendable(module: Module, node: ast.expr | ast.stmt, *, is_written: bool) -> Effect | None:
    """Return what is needed and cannot be sent."""
    for name, place in free_names(node):
        if name in module.definitions:
            continue
        if not is_written and UNSENDABLE.fullmatch(module.origin(place)):
            return Effect("sent", "", name)
        owner = module.class_of(place)
        if owner is not None and (held := held_by(module, owner)):
            return Effect("holds", held, name)
    return None


def _named(origin: str) -> str:
    if origin == "generator":
        return "a generator"
    return f"what `{origin.removesuffix('()')}` returns"
