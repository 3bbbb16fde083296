"""What cannot be sent to a process, or costs as much as it took to be made: pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from fournil.observe.advice.changes import changed_names
from fournil.observe.advice.program import DEEPEST, Module
from fournil.observe.advice.tree import Function

UNSENDABLE = re.compile(
    r"generator|coroutine|(map|filter|zip|enumerate|iter|reversed|open)\(\)|"
    r"(typing|collections\.abc)\.(Async)?(Iterator|Generator)\(\)|"
    r"((sqlite3|socket|ssl|threading|_thread|asyncio|multiprocessing|queue|ctypes|mmap|"
    r"contextvars|weakref|psycopg2?|pymysql|lxml|csv|itertools|hashlib|tempfile|zipfile|gzip|"
    r"xml|bs4|subprocess|concurrent|tarfile|selectors|select|redis|pymongo|sqlalchemy|_csv)\..*\(\).*)|"
    r"dict\.(keys|values|items)\(\)|(re|regex)\.(compile\(\)\.)?(match|search|fullmatch)\(\)|"
    r"(bz2|lzma)\.open\(\)|pathlib\.Path\(\)\.open\(\)|memoryview\(\)|logging\.\w*Handler\(\)|"
    r"(httpx|aiohttp|boto3|paramiko|asyncpg|cryptography\.hazmat|urllib\.request\.urlopen)\b.*\(\)|"
    r"msgspec\.\w+\.(De|En)coder\(\)|PIL\..*\.load\(\)|"
    r"(os|glob|pathlib)\.\w*(scandir|walk|iterdir|glob|iglob)\(\)|"
    r"(zlib|bz2|lzma)\.\w*(obj|[cC]ompressor)\(\)|io\.(open|TextIOWrapper)\(\)"
)
"""Objects that no pickle holds, by what made them."""

REDUCERS = ("__reduce__", "__reduce_ex__", "__getnewargs__")
"""Methods by which a class says how its objects are sent."""

HOLDS_THREADS = re.compile(r"(threading\.Thread|asyncio\.\w*Protocol|\w*Protocol|Thread)")
"""Classes whose objects hold what cannot be sent: a thread, a transport."""


def held_by(module: Module, owner: ast.ClassDef, depth: int = DEEPEST) -> str:
    """Return what the objects of a class hold that cannot be sent; empty: nothing is known to."""
    if any(module.method(owner, name) for name in ("__getstate__", *REDUCERS)):
        return ""
    for base in owner.bases:
        if HOLDS_THREADS.fullmatch(module.origin(base)):
            return "transport" if "Protocol" in module.origin(base) else "thread"
        above = module.class_named(getattr(base, "id", ""))
        if above is not None and depth and (held := held_by(module, above, depth - 1)):
            return held
    for name, value in (*module.attributes(owner), *_fields(module, owner)):
        if UNSENDABLE.fullmatch(module.origin(value)):
            return f"`{name}`"
        inner = module.class_of(value) if isinstance(value, ast.Call) else None
        if inner and inner is not owner and depth and held_by(module, inner, depth - 1):
            return f"`{name}`"
    return ""


def holds_unknown(module: Module, node: ast.AST | None) -> bool:
    """Whether code sends its `self`, whose class holds what it was given: anything."""
    names = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)} if node else set()
    owner = module.class_around(node) if node and "self" in names else None
    return owner is not None and any(
        isinstance(value, ast.Name) and module.origin(value) == value.id
        for _, value in module.attributes(owner)
    )


def _fields(module: Module, owner: ast.ClassDef) -> Iterator[tuple[str, ast.expr]]:
    """Yield the fields of a dataclass with calls that make their values."""
    for node in owner.body:
        match node:
            case ast.AnnAssign(ast.Name(name), _, ast.Call(keywords=keywords)):
                for keyword in keywords:
                    if keyword.arg == "default_factory":
                        made = ast.Call(keyword.value, [], [])
                        yield name, made


def raised_by(module: Module, function: ast.AST) -> str:
    """Return which exception a function raises that pickle cannot make again; empty: none.

    An exception is made again of what it handed on to `super().__init__`.
    """
    for node in ast.walk(function):
        match node:
            case ast.Raise(ast.Call(ast.Name(name))):
                owner = module.class_named(name)
                if owner is None or any(module.method(owner, one) for one in REDUCERS):
                    continue
                maker = module.method(owner, "__init__")
                if maker is not None and _handed_on(maker) not in {None, _asked_for(maker)}:
                    return name
    return ""


def _asked_for(maker: Function) -> int:
    """Return how many arguments an exception must be given."""
    given = maker.args
    asked = len(given.posonlyargs) + len(given.args) - len(given.defaults) - 1
    return asked + sum(default is None for default in given.kw_defaults)


def _handed_on(maker: Function) -> int | None:
    for node in ast.walk(maker):
        match node:
            case ast.Call(ast.Attribute(ast.Call(ast.Name("super")), "__init__"), arguments):
                is_known = not any(isinstance(one, ast.Starred) for one in arguments)
                return len(arguments) if is_known else None
    return None


def grows(module: Module, node: ast.AST | None) -> str:
    """Return the function that a call leads to if it returns what it fills in a loop."""
    called = module.called(node) if isinstance(node, ast.Call) else None
    if called is None:
        return ""
    function = called.function
    filled = {
        name
        for one in ast.walk(function)
        if isinstance(one, (ast.For, ast.While))
        for name in changed_names(module, ast.walk(one))
    }
    if called.makes:
        returned = {one.arg for one in function.args.args[:1]}
    else:
        returned = {
            one.value.id
            for one in ast.walk(function)
            if isinstance(one, ast.Return) and isinstance(one.value, ast.Name)
        }
    if not filled & returned:
        return ""
    owner = module.class_around(function)
    return owner.name if called.makes and owner else function.name
