"""Call that runs in this thread, whoever runs it."""

from __future__ import annotations

import threading
from types import CoroutineType

from fournil._worker.naming import name_of

TYPE_CHECKING = False  # typing takes longer to import than all else
if TYPE_CHECKING:
    from typing import Any, Protocol

    class Running(Protocol):
        """A call that runs."""

        @property
        def cancelling(self) -> bool:
            """Whether somebody wants it cancelled."""

    class Runs(Protocol):
        """Runner of calls, one at a time."""

        @property
        def call(self) -> Running | None: ...


runs: dict[int, Runs] = {}
"""Runners of calls, by the identifier of their thread; each writes its own entry alone."""

is_worker = False
"""Whether this is a worker that shares no objects with its program."""

state: object = None
"""Result of the initializer of the pool that this process is a worker of."""


def cancelled() -> bool:
    """Return whether the call of a pool that this code runs in was cancelled.

    A thread cannot be stopped from outside: a function that takes long asks this now and then. In
    the default executor of Fournil's loop, as under `asyncio.to_thread`, it asks as well.

    Raises:
        RuntimeError: no pool runs this code.

    Example:
        def search(pages):
            for page in pages:
                if fournil.cancelled():
                    return None
                ...
    """
    here = runs.get(threading.get_ident())
    if here is None or here.call is None:
        raise RuntimeError("cancelled() is for functions that a pool runs: nobody can cancel this")
    return here.call.cancelling


def check_cancelled() -> None:
    """Raise `asyncio.CancelledError` if the call that this code runs in was cancelled.

    Raises:
        asyncio.CancelledError: it was.
        RuntimeError: no pool runs this code.
    """
    if cancelled():
        # Not at the top: it takes longer than all else that a worker imports.
        from asyncio import CancelledError

        raise CancelledError


def worker_state() -> object:
    """Return what the initializer of this worker returned: a model, a connection.

    None outside of the worker processes of a pool, or where there is no initializer.

    Example:
        def load():
            return Model("weights.bin")

        def score(text):
            return fournil.worker_state().score(text)

        async with fournil.ProcessPool(initializer=load) as pool:
            await pool.run(score, "good bread")
    """
    return state


def refuse(function: object, coroutine: CoroutineType[Any, Any, Any]) -> TypeError:
    """Return what to raise about a function that gave a coroutine, which nobody would await."""
    coroutine.close()
    return TypeError(
        f"{name_of(function)}() is a coroutine function: await it, or give it to asyncio.run() in"
        " a function that the pool runs"
    )
