"""Calls in threads: `run_in_executor` with the loop's default executor, which is ours."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple

if TYPE_CHECKING:
    from fournil.offload import default_executor

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class ExecutorCalls(asyncio.SelectorEventLoop):
    """The way to threads of `asyncio.to_thread`, name resolution, and all that awaits a function.

    An executor that the program sets, a call from another thread, or one before the loop runs goes
    asyncio's way.
    """

    if TYPE_CHECKING:
        # asyncio's own, which its type stubs leave out.
        _debug: bool
        _default_executor: Executor | None
        _executor_shutdown_called: bool
        _thread_id: int | None

        def _check_callback(self, callback: object, method: str) -> None: ...

    # The class of ours, once this loop has made one; not the executor itself, which ends when
    # another is set.
    _executor_type: type[default_executor.DefaultExecutor] | None = None

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Have a thread of an executor (None: the default one) call a function."""
        if executor is None and not self._executor_shutdown_called:
            default: Any = self._default_executor
            if default is None:
                default = self._make_default_executor()
            if (
                type(default) is self._executor_type
                and default.loop is self
                and self._thread_id == threading.get_ident()
                and default.takes_calls
            ):
                if self._debug:
                    self._check_callback(func, "run_in_executor")
                called: asyncio.Future[T] = default.call(func, args)
                return called
        return super().run_in_executor(executor, func, *args)

    def _make_default_executor(self) -> Executor | None:
        # Not at the top: a program that calls nothing in threads does without.
        from fournil.offload import default_executor

        self._executor_type = default_executor.DefaultExecutor
        self._default_executor = default_executor.new_default_executor(self)
        return self._default_executor
