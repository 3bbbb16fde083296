"""Shows the exception that ends the program without the frames that lead to the program."""

from __future__ import annotations

import sys
from collections.abc import Callable, Container
from types import CodeType, TracebackType
from typing import Any

Hook = Callable[[type[BaseException], BaseException, TracebackType | None], Any]


def begin_at(starts: Container[CodeType]) -> None:
    """Make the interpreter show the exception that is now raised from a frame of `starts` on.

    The interpreter ends by calling `sys.excepthook`, which the program may have set. A
    traceback's first frame cannot be taken from it before that: each frame that the exception
    leaves is put in front.
    """
    program_hook: Hook = getattr(sys, "excepthook", sys.__excepthook__)

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        sys.excepthook = program_hook
        trace = _cut(error, trace, starts)
        sys.last_traceback = error.__traceback__ = trace
        try:
            program_hook(kind, error, trace)
        except SystemExit:
            raise
        except BaseException as second:
            # What the interpreter does, without the frame of this function.
            print("Error in sys.excepthook:", file=sys.stderr)
            behind = second.__traceback__ and second.__traceback__.tb_next
            sys.__excepthook__(type(second), second.with_traceback(behind), behind)
            print("\nOriginal exception was:", file=sys.stderr)
            sys.__excepthook__(kind, error, trace)

    sys.excepthook = hook


def _cut(
    error: BaseException, trace: TracebackType | None, starts: Container[CodeType]
) -> TracebackType | None:
    frame = trace
    while frame is not None and frame.tb_frame.f_code not in starts:
        frame = frame.tb_next
    # A Ctrl-C between two lines of the launcher has no frame of the program; an error of the
    # launcher's own has none either, and is shown as it is.
    return trace if frame is None and not isinstance(error, KeyboardInterrupt) else frame
