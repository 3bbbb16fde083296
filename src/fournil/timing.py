"""The `timed` decorator: says when a call begins, when it ends, and how long it took."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import reprlib
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar, overload

__all__ = ["timed"]

Decorated = TypeVar(
    "Decorated", bound="Callable[..., Any] | classmethod[Any, ..., Any] | staticmethod[..., Any]"
)

_depth: ContextVar[int] = ContextVar("fournil.timed.depth", default=0)
"""How many timed calls enclose the code that runs. A new task starts with its maker's."""

BEGIN, END = "→", "←"
IN_ASCII = {BEGIN: "->", END: "<-"}
INDENT = "  "
LONGEST_MESSAGE = 100


class Writable(Protocol):
    """What `file` must offer: the one method of a text stream that is used."""

    def write(self, text: str, /) -> object: ...


@overload
def timed(function: Decorated, /) -> Decorated: ...
@overload
def timed(
    *,
    logger: logging.Logger | logging.LoggerAdapter[Any] | None = None,
    level: int = logging.INFO,
    file: Writable | None = None,
) -> Callable[[Decorated], Decorated]: ...
def timed(
    function: Any = None,
    /,
    *,
    logger: logging.Logger | logging.LoggerAdapter[Any] | None = None,
    level: int = logging.INFO,
    file: Writable | None = None,
) -> Any:
    """Print each call of a function when it begins, and when it ends, with its seconds.

    Works on `async def`, `def`, methods, generators and asynchronous generators, as
    `@timed` or `@timed(...)`, above or below `@classmethod` and `@staticmethod`. A call
    made inside a timed call is indented, also when it runs in another task or, by
    `asyncio.to_thread`, in a thread; each line names its task. A generator is timed from
    its first item until it ends or is closed, its consumer's time included.

    Args:
        function: what to time; left out where options are given.
        logger: log there instead of printing.
        level: the level to log at.
        file: print there instead of to `sys.stdout`.

    Raises:
        TypeError: it is put on what is no function, or got both `logger` and `file`.

    >>> @timed
    ... async def delay(seconds):
    ...     await asyncio.sleep(seconds)
    >>> asyncio.run(delay(2))                                     # doctest: +SKIP
    [Task-1] → delay(2)
    [Task-1] ← delay(2) 2.0032 s
    """
    if logger is not None and file is not None:
        raise TypeError("timed() got both logger= and file=: give one of them")
    output = _Logged(logger, level) if logger is not None else _Printed(file)
    if function is None:
        return functools.partial(_wrap, output=output)
    return _wrap(function, output)


class _Printed:
    """Lines go to a stream; to the `sys.stdout` of the moment where none was given."""

    def __init__(self, file: Writable | None) -> None:
        self.file = file

    def wanted(self) -> bool:
        return True

    def line(self, label: str, indent: str, arrow: str, text: str) -> None:
        stream = sys.stdout if self.file is None else self.file
        if stream is None:  # a program without a console, or an interpreter shutting down
            return
        encoding = getattr(stream, "encoding", None) or "utf-8"
        try:
            arrow.encode(encoding)
        except UnicodeEncodeError:
            arrow = IN_ASCII[arrow]
        line = f"{label}{indent}{arrow} {text}\n"
        # One write a line, so that lines of several threads do not mix.
        stream.write(line.encode(encoding, "backslashreplace").decode(encoding))


class _Logged:
    """Lines go to a logger."""

    def __init__(self, logger: logging.Logger | logging.LoggerAdapter[Any], level: int) -> None:
        self.logger = logger
        self.level = level

    def wanted(self) -> bool:
        return self.logger.isEnabledFor(self.level)

    def line(self, label: str, indent: str, arrow: str, text: str) -> None:
        self.logger.log(self.level, "%s%s%s %s", label, indent, arrow, text)


class _Call:
    """One call: says that it begins on entry, and how it ended on exit.

    A generator pauses the call before each yield, since its consumer runs in the same
    context and is not inside the call.
    """

    def __init__(
        self,
        output: _Printed | _Logged,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        self.output = output
        # What the arguments are now is what the call got; it may change them later.
        self.text = _call_text(function, args, kwargs) if output.wanted() else None
        self.depth = _depth.get()
        self.token: Token[int] | None = None
        self.began = 0.0

    def __enter__(self) -> Self:
        self._say(BEGIN, "")
        self.resume()
        self.began = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        seconds = time.perf_counter() - self.began
        self.pause()
        self._say(END, f" {seconds:.4f} s{_ending(error)}")

    def resume(self) -> None:
        self.token = _depth.set(self.depth + 1)

    def pause(self) -> None:
        if self.token is None:
            return
        try:
            _depth.reset(self.token)
        except ValueError:
            # Closed from another context, as the garbage collector does: nobody there is
            # inside this call, and the context that it began in is gone.
            pass
        self.token = None

    def _say(self, arrow: str, ending: str) -> None:
        if self.text is not None:
            self.output.line(_label(), INDENT * self.depth, arrow, self.text + ending)


def _wrap(function: Any, output: _Printed | _Logged) -> Any:
    if isinstance(function, (classmethod, staticmethod)):
        return type(function)(_wrap(function.__func__, output))
    if isinstance(function, type) or not callable(function):
        what = f"the class {function.__name__}" if isinstance(function, type) else repr(function)
        raise TypeError(f"timed() got {what}: put it on a function or on the methods of a class")
    if inspect.isasyncgenfunction(function):
        return _wrap_async_generator(function, output)
    if inspect.iscoroutinefunction(function):
        return _wrap_coroutine(function, output)
    if inspect.isgeneratorfunction(function):
        return _wrap_generator(function, output)
    return _wrap_function(function, output)


def _wrap_function(function: Callable[..., Any], output: _Printed | _Logged) -> Any:
    @functools.wraps(function)
    def timed_function(*args: Any, **kwargs: Any) -> Any:
        with _Call(output, function, args, kwargs):
            return function(*args, **kwargs)

    return timed_function


def _wrap_coroutine(function: Callable[..., Any], output: _Printed | _Logged) -> Any:
    @functools.wraps(function)
    async def timed_coroutine(*args: Any, **kwargs: Any) -> Any:
        with _Call(output, function, args, kwargs):
            return await function(*args, **kwargs)

    return timed_coroutine


def _wrap_generator(function: Callable[..., Any], output: _Printed | _Logged) -> Any:
    @functools.wraps(function)
    def timed_generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        with _Call(output, function, args, kwargs) as call:
            generator = function(*args, **kwargs)
            advance, value = generator.send, None
            while True:
                try:
                    item = advance(value)
                except StopIteration as stop:
                    return stop.value
                call.pause()
                try:
                    value = yield item
                    advance = generator.send
                except GeneratorExit:
                    call.resume()
                    generator.close()
                    raise
                except BaseException as error:
                    advance, value = generator.throw, error
                call.resume()

    return timed_generator


def _wrap_async_generator(function: Callable[..., Any], output: _Printed | _Logged) -> Any:
    @functools.wraps(function)
    async def timed_async_generator(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        with _Call(output, function, args, kwargs) as call:
            generator = function(*args, **kwargs)
            advance, value = generator.asend, None
            while True:
                try:
                    item = await advance(value)
                except StopAsyncIteration:
                    return
                call.pause()
                try:
                    value = yield item
                    advance = generator.asend
                except GeneratorExit:
                    call.resume()
                    await generator.aclose()
                    raise
                except BaseException as error:
                    advance, value = generator.athrow, error
                call.resume()

    return timed_async_generator


class _Abbreviating(reprlib.Repr):
    """Writes values short, and says the type of what cannot be written."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = 60

    def repr1(self, x: Any, level: int) -> str:
        try:
            return super().repr1(x, level)
        except Exception:
            return f"<{type(x).__name__}>"

    # Without these, the whole of a large buffer would be written and then cut.
    def repr_bytes(self, x: bytes, level: int) -> str:
        return self.repr_str(x, level)  # type: ignore[arg-type]

    def repr_bytearray(self, x: bytearray, level: int) -> str:
        return f"bytearray({self.repr_str(bytes(x[: self.maxstring + 1]), level)})"  # type: ignore[arg-type]


_short = _Abbreviating().repr


def _call_text(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """Return a call as one would write it: `delay(2)`, `Oven.bake('bread', minutes=40)`."""
    while isinstance(function, functools.partial):
        function = function.func
    qualified = getattr(function, "__qualname__", None) or _short(function)
    name = qualified.rpartition("<locals>.")[2]
    if "." in name and args and _first_parameter(function) in ("self", "cls"):
        args = args[1:]
    written = [_short(value) for value in args]
    written += [f"{key}={_short(value)}" for key, value in kwargs.items()]
    return f"{name}({', '.join(written)})"


def _first_parameter(function: Callable[..., Any]) -> str | None:
    code = getattr(function, "__code__", None)
    return code.co_varnames[0] if code is not None and code.co_argcount else None


def _ending(error: BaseException | None) -> str:
    """Return how a call ended that did not just return."""
    if error is None:
        return ""
    if isinstance(error, asyncio.CancelledError):
        return " cancelled"
    if isinstance(error, GeneratorExit):
        return " closed"
    try:
        lines = str(error).splitlines()
    except Exception:
        lines = []
    message = lines[0] if lines else ""
    if len(message) > LONGEST_MESSAGE or len(lines) > 1:
        message = message[:LONGEST_MESSAGE] + "..."
    name = type(error).__qualname__
    return f" raised {name}: {message}" if message else f" raised {name}"


def _label() -> str:
    """Return the task that runs, or the thread where it is not the main one, in brackets."""
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no loop runs in this thread
        task = None
    if task is not None:
        return f"[{task.get_name()}] "
    thread = threading.current_thread()
    return "" if thread is threading.main_thread() else f"[{thread.name}] "
