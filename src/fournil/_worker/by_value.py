"""Objects pickled by what they are made of; imported when something needs it."""

from __future__ import annotations

import io
import marshal
from collections.abc import Callable
from contextvars import ContextVar
from pickle import PickleBuffer
from types import CodeType
from typing import Any

import cloudpickle

from fournil._worker.variables import reduced


def _code_reduced(code: CodeType) -> tuple[Any, ...]:
    return marshal.loads, (marshal.dumps(code),)


class Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # it has no types
    """cloudpickle's, with context variables, and code with the name of its file.

    cloudpickle leaves out the file, which tracebacks and recordings name. Both sides are the same
    Python: so code goes as it goes into a .pyc file.
    """

    dispatch_table = cloudpickle.Pickler.dispatch_table.new_child(
        {ContextVar: reduced, CodeType: _code_reduced}
    )


def dumps(value: object, keep: Callable[[PickleBuffer], bool]) -> bytes:
    """Return an object as bytes, but for the buffers that `keep` takes."""
    file = io.BytesIO()
    Pickler(file, protocol=5, buffer_callback=keep).dump(value)
    return file.getvalue()
