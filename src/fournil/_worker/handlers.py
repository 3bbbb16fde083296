"""Exceptions of signal handlers: they come out of whatever code runs, and are none of its doing.

Python calls a handler between two instructions of the main thread, and what the handler raises
(KeyboardInterrupt for Ctrl-C, what a program raises for SIGTERM or a timer) leaves the code that
was interrupted there. Code of the program that is called while objects are pickled may raise the
same on its own account. The two are told apart here: the first is for the program, and the second
says that an object cannot travel.
"""

from __future__ import annotations

import os
import signal
import threading
from functools import partial
from types import CodeType, MethodType, TracebackType

TYPE_CHECKING = False  # typing takes longer to import than all else
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

is_interruption: Callable[[BaseException], bool] | None = None
"""In a worker, tells whether an exception is what interrupts the call that runs."""


def pass_on(error: BaseException) -> None:
    """Raise an exception again that a handler of a signal raised; return if it was other code."""
    if is_of_a_handler(error):
        raise error


def is_of_a_handler(error: BaseException) -> bool:
    """Return whether a handler of a signal raised an exception, or it interrupts a call."""
    if is_interruption is not None and is_interruption(error):
        return True
    # Handlers run in the thread that the process began with, and in no interpreter but the main.
    if threading.get_native_id() != os.getpid():
        return False
    codes = _codes_of(error)
    handlers = set(_handlers())
    return _is_of_python_itself(error, codes) or any(code in handlers for code, _ in codes)


def _codes_of(error: BaseException) -> list[tuple[CodeType, int]]:
    """Return what ran where an exception was raised, innermost last, and at which instruction."""
    codes = []
    # A class of the program may override what an attribute's name leads to.
    traceback: TracebackType | None = BaseException.__dict__["__traceback__"].__get__(error)
    while traceback is not None:
        codes.append((traceback.tb_frame.f_code, traceback.tb_lasti))
        traceback = traceback.tb_next
    return codes


def _is_of_python_itself(error: BaseException, codes: list[tuple[CodeType, int]]) -> bool:
    """Return whether an exception is that of Python's handler for Ctrl-C.

    It is C code, and leaves no frame: who raises such an exception otherwise says `raise`.
    """
    if type(error) is not KeyboardInterrupt or error.args:
        return False
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return False
    from opcode import opmap

    raises = opmap["RAISE_VARARGS"], opmap["RERAISE"]
    return not codes or codes[-1][0].co_code[codes[-1][1]] not in raises


def _handlers() -> Iterator[CodeType]:
    """Yield the code of all handlers that are Python's."""
    for number in signal.valid_signals():
        handler: object = signal.getsignal(number)
        if not callable(handler):
            continue
        if not isinstance(handler, MethodType | partial) and not hasattr(handler, "__code__"):
            handler = type(handler).__call__
        # asyncio's is a method with an argument.
        while isinstance(handler, MethodType | partial):
            handler = handler.__func__ if isinstance(handler, MethodType) else handler.func
        code = getattr(handler, "__code__", None)
        if isinstance(code, CodeType):
            yield code
