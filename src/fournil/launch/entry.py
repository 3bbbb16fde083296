"""The program's process, from its first line to its last."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
from os import execv  # as it is before it follows what it starts
from typing import NoReturn

from fournil.launch import forks, loops, tracebacks, unawaited
from fournil.launch.children import Children
from fournil.launch.order import BAD_INPUT, Order
from fournil.launch.program import RUNPY_START, NoProgramError, Program, find, main_file
from fournil.record import files, hook
from fournil.recorder import Recorder


def prepare(*, interruptible: bool) -> Program:
    """Follow the order on our command line, up to the program's first line; return the program.

    Args:
        interruptible: whether Python's handler of Ctrl-C is to be set for the program.
    """
    order = Order.parse(*sys.argv[1:3])
    _show_as_python(order)
    loops.install()
    forks.install()
    recorder = None if order.is_child else _recorder(order)
    _follow_children(order, recorder)
    try:
        # From here on code of the program may run: to find a module imports its packages.
        if interruptible:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return _find(order, recorder)
    except SystemExit:
        raise
    except BaseException:
        tracebacks.begin_at({RUNPY_START})
        raise


def show_from(program: Program) -> None:
    """Have the exception that ends the program be shown from its first frame on."""
    tracebacks.begin_at({RUNPY_START, program.start})


def _recorder(order: Order) -> Recorder:
    """Begin to record this process."""
    # Started before the program's first line, its `atexit` function runs after the program's.
    recorder = Recorder(
        order.recording,
        threshold=order.threshold,
        size=order.size,
        main=main_file(order),
        warn=False,
        program=int(order.program or "0", 16),
        about={"module": order.target if order.kind == "module" else "", "mine": order.mine},
    )
    try:
        recorder.start()
        hook.is_run = True
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        _refuse(f"cannot record into {order.final or order.recording}: {reason}")
    return recorder


def _follow_children(order: Order, recorder: Recorder | None) -> None:
    # What multiprocessing starts is code that runs the program's main file once more.
    again = order.kind == "code" and "multiprocessing." in order.target
    main = main_file(order) or (order.main if again else "")
    module = order.target if order.kind == "module" else order.module if again else ""
    children = Children(order, main, module, recorder)
    unawaited.tell(children.note_never_awaited)
    if order.program:
        children.follow()
    if recorder is None:
        children.record_later()


def _show_as_python(order: Order) -> None:
    """Set the command line as `python` would show it to the program."""
    flags = sys.orig_argv[1 : -len(sys.argv)]
    arguments = sys.argv[3:]
    if order.attached and len(order.attached.removesuffix("=")) > 2:
        del flags[-1]  # it was cut from the word that is next
    sys.orig_argv = [sys.orig_argv[0], *flags, *order.words(), *arguments]
    # While Python looks for a module, its option is in the place of the path.
    sys.argv = [order._replace(attached="").words()[0], *arguments]


def _find(order: Order, recorder: Recorder | None) -> Program:
    """Return the program, once nothing but itself can fail; until then, no file is lost."""
    try:
        program = find(order)
    except NoProgramError as error:
        none = error
    else:
        if recorder is not None:
            _keep(order, recorder)
        return program
    if recorder is not None:
        _drop(order, recorder)
    if none.told is None:
        _hand_over_to_python(none.source)
    # Raised as if it was here first.
    none.told.__context__ = None
    raise none.told


def _keep(order: Order, recorder: Recorder) -> None:
    """Put the recording of a program that was found where it is to stay."""
    if order.final:
        try:
            with files.Claim(files.path_of(order.final, os.getpid())) as claim:
                claim.put(order.recording)
        except OSError as error:
            _drop(order, recorder)
            _refuse(f"cannot record into {order.final}: {error.strerror}")


def _drop(order: Order, recorder: Recorder) -> None:
    """End the recording of nothing: where there is no file, the supervisor reports nothing."""
    recorder.stop()
    os.unlink(order.recording)


def _hand_over_to_python(source: bytes | None) -> NoReturn:
    """Have Python itself say why there is no program, in its words and with its status.

    Args:
        source: what is to be on standard input again.
    """
    if source is not None:
        with contextlib.suppress(OSError), tempfile.TemporaryFile() as again:
            again.write(source)
            again.seek(0)
            os.dup2(again.fileno(), 0)
    execv(sys.executable, sys.orig_argv)


def _refuse(message: str) -> NoReturn:
    # To print to None would print to standard output.
    if sys.stderr is not None:
        print(f"fournil: {message}", file=sys.stderr)
    sys.exit(BAD_INPUT)
