"""Finds, compiles and runs a program in `__main__`, as `python` would.

Modules, directories and zip archives are run by `runpy`, as the interpreter does it. Scripts
and code are compiled here, since the interpreter's own way is closed from within. In all of
them, top-level code may `await`.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import importlib.util
import inspect
import linecache
import os
import pkgutil
import runpy
import sys
import textwrap
import zipimport
from collections.abc import Callable
from importlib.machinery import (
    BuiltinImporter,
    ModuleSpec,
    PathFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from types import CodeType, ModuleType
from typing import Any, NamedTuple

import fournil.loop
from fournil.launch.order import Order

Details = tuple[str, ModuleSpec, CodeType]

RUNPY_START: CodeType = runpy._run_module_as_main.__code__  # type: ignore[attr-defined]
"""Where the interpreter's own tracebacks of a module, a directory or an archive begin."""


class NoProgramError(Exception):
    """There is nothing to run.

    Attributes:
        told: with what the program's process is to end; None: Python itself is to be asked.
        source: what was read of standard input, for Python to read it again.
    """

    def __init__(self, told: BaseException | None = None, source: bytes | None = None) -> None:
        self.told = told
        self.source = source


class Program(NamedTuple):
    """A program that was found and compiled."""

    run: Callable[..., object]
    arguments: tuple[Any, ...]  # of `run`
    start: CodeType  # what a traceback of the program begins in


def main_file(order: Order) -> str | None:
    """Return the path of the file that becomes `__main__`, where the order names a file."""
    if order.kind != "script":
        return None
    path = _absolute(order.target)
    return os.path.join(path, "__main__.py") if pkgutil.get_importer(path) else path


def find(order: Order) -> Program:
    """Return the program, and put a new `__main__` and its first entry of `sys.path` in place.

    Raises:
        NoProgramError: there is no such program, or it cannot be compiled.
    """
    namespace = _new_main()
    match order.kind:
        case "module":
            _put_first(os.getcwd())
            return _with_runpy(order.target, is_module=True)
        case "code":
            return _find_code(order.target, namespace)
        case "stdin":
            return _find_stdin(namespace)
        case "script":
            return _find_script(order.target, namespace)


def _new_main() -> dict[str, Any]:
    """Return the namespace of a new `__main__`, as the interpreter makes it."""
    # The one we run in loses `__file__` when we end, before the program's `atexit` functions.
    module = sys.modules["__main__"] = ModuleType("__main__")
    namespace = module.__dict__
    namespace.update(__builtins__=builtins, __loader__=BuiltinImporter)
    if sys.version_info < (3, 14):
        namespace["__annotations__"] = {}
    return namespace


def _find_code(source: str, namespace: dict[str, Any]) -> Program:
    _put_first("")
    if sys.version_info >= (3, 14):
        source = textwrap.dedent(source)
    code = _compile(source, "<string>")
    # Since CPython 3.13, tracebacks show the lines of such code as well. What finds them there
    # is the file's name, and later the code.
    if sys.version_info >= (3, 13):
        key = code if hasattr(linecache, "_interactive_cache") else "<string>"
        linecache._register_code(key, source, "<string>")
    return _with_code(code, namespace)


def _find_stdin(namespace: dict[str, Any]) -> Program:
    _put_first("")
    source = b"" if sys.stdin is None else sys.stdin.buffer.read()
    try:
        code = _compile(source, "<stdin>")
    except NoProgramError as error:
        error.source = source
        raise
    _set_file(namespace, "<stdin>")
    return _with_code(code, namespace)


def _find_script(target: str, namespace: dict[str, Any]) -> Program:
    path = _absolute(target)
    if pkgutil.get_importer(path) is not None:
        # The interpreter does this for `-P` too: it is what was asked to be run.
        sys.path.insert(0, path)
        return _with_runpy("__main__", is_module=False)
    _put_first(os.path.dirname(os.path.realpath(path)))
    loader: SourceFileLoader | SourcelessFileLoader
    try:
        if path.endswith(".pyc"):
            loader = SourcelessFileLoader("__main__", path)
            code = loader.get_code("__main__")
            assert code is not None
        else:
            loader = SourceFileLoader("__main__", path)
            code = _compile(loader.get_data(path), path)
    except (OSError, ImportError, EOFError, TypeError, ValueError):
        # The last four are of a file that only has the name of compiled code.
        raise NoProgramError from None
    namespace["__loader__"] = loader
    _set_file(namespace, path)
    return _with_code(code, namespace)


def _absolute(target: str) -> str:
    """Return a script's path as the interpreter shows it: not normalized, links kept."""
    return os.path.join(os.getcwd(), target) if target else os.getcwd()


def _set_file(namespace: dict[str, Any], path: str) -> None:
    namespace["__file__"] = path
    if sys.version_info < (3, 15):
        namespace["__cached__"] = None


def _put_first(directory: str) -> None:
    if not sys.flags.safe_path:
        sys.path.insert(0, directory)


def _compile(source: str | bytes, name: str) -> CodeType:
    try:
        if isinstance(source, bytes) and not source.isascii():
            # `compile` passes over what is wrong in comments, which the interpreter refuses.
            importlib.util.decode_source(source)
        return _compiled(source, name, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise NoProgramError(_own(error, source, name)) from None


def _compiled(source: str | bytes, name: str, flags: int = 0) -> CodeType:
    code: CodeType = compile(source, name, "exec", flags, dont_inherit=True)
    return code


def _own(error: BaseException, source: str | bytes, name: str) -> BaseException | None:
    """Return the error of a source where Python itself, without `await`, would tell another one."""
    if not isinstance(error, SyntaxError) or isinstance(error, UnicodeError):
        return None
    try:
        _compiled(source, name)
    except SyntaxError as its:
        return None if its.msg == error.msg else error
    except (ValueError, RecursionError, MemoryError):
        return None
    return None


def _with_code(code: CodeType, namespace: dict[str, Any]) -> Program:
    run = _await if code.co_flags & inspect.CO_COROUTINE else exec
    return Program(run, (code, namespace), code)


def _await(code: CodeType, namespace: dict[str, Any]) -> None:
    fournil.loop.run(eval(code, namespace))


def _with_runpy(name: str, *, is_module: bool) -> Program:
    """Return a program that runpy finds and runs, as the interpreter asks it to."""
    awaiting: CodeType | None = None
    try:
        details = _details(name, is_module=is_module)
    except SyntaxError as error:
        spec = _find_spec(name)
        if spec is None or spec.origin is None or error.filename != spec.origin:
            raise  # a package on the way to it does not compile
        # runpy compiles without `await`, and would leave the code in the cache for Python,
        # which cannot run it. It gets an empty module to set up `__main__` for.
        try:
            awaiting = _compiled(_source(spec), spec.origin, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        except SyntaxError as second:
            raise NoProgramError(second.with_traceback(error.__traceback__)) from None
        except (ImportError, ValueError, RecursionError, MemoryError):
            raise NoProgramError(error) from None
        details = spec.name, spec, compile("", spec.origin, "exec")

    # It was found already, and the packages on the way to it imported.
    finder = "_get_module_details" if is_module else "_get_main_module_details"
    original = getattr(runpy, finder)

    def found(*_: object) -> Details:
        setattr(runpy, finder, original)
        return details

    setattr(runpy, finder, found)
    run = runpy._run_module_as_main  # type: ignore[attr-defined]
    if awaiting is None:
        return Program(run, (name, is_module), RUNPY_START)
    run(name, is_module)
    return _with_code(awaiting, sys.modules["__main__"].__dict__)


def _details(name: str, *, is_module: bool) -> Details:
    """Return what runpy finds, by all that it does but to run it.

    The packages on the way to it are imported by this. Where one fails, it fails in the
    functions in which it fails under the interpreter.
    """
    original = runpy._run_code  # type: ignore[attr-defined]

    def keep(
        code: CodeType, namespace: object, _: None, run_name: str, spec: ModuleSpec
    ) -> Details:
        return spec.name, spec, code

    runpy._run_code = keep  # type: ignore[attr-defined]
    try:
        details: Details = runpy._run_module_as_main(name, is_module)  # type: ignore[attr-defined]
    except SystemExit as error:
        if isinstance(error.__context__, runpy._Error):  # type: ignore[attr-defined]
            raise NoProgramError(error) from None
        raise
    finally:
        runpy._run_code = original  # type: ignore[attr-defined]
    return details


def _find_spec(name: str) -> ModuleSpec | None:
    """Return the spec of what runpy found but could not compile."""
    with contextlib.suppress(SyntaxError):
        if name != "__main__":
            spec = importlib.util.find_spec(name)
            if spec is not None and spec.submodule_search_locations is not None:
                spec = importlib.util.find_spec(f"{name}.__main__")
            return spec
        importer = pkgutil.get_importer(sys.path[0])
        if isinstance(importer, zipimport.zipimporter):
            # To find a module in an archive compiles it.
            origin = os.path.join(sys.path[0], "__main__.py")
            return importlib.util.spec_from_file_location(name, origin, loader=importer)
        return PathFinder.find_spec(name, sys.path[:1])
    return None


def _source(spec: ModuleSpec) -> str:
    loader: Any = spec.loader
    source: str | None = loader.get_source(spec.name)
    return source or ""
