"""The event loop: the native core for what is hot, asyncio's selector loop for the rest."""

from __future__ import annotations

# First: another interpreter is refused before asyncio is imported there, whose C half, until
# CPython 3.11, would go on with that interpreter's objects.
import fournil._native  # noqa: F401

# isort: split
import asyncio
import asyncio.base_events
import asyncio.events
import asyncio.format_helpers
import selectors
import sys
import threading
import traceback
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from fournil._loop.executor_calls import ExecutorCalls
from fournil._loop.patches import Patches
from fournil._loop.selectors import PollerView, foreign_selector
from fournil._loop.self_pipe import SelfPipe
from fournil._loop.socket_calls import SocketCalls
from fournil._loop.transports import TransportMaking
from fournil._native import ring
from fournil._native.core import LoopCore
from fournil._native.handles import show_callback
from fournil.record import hook

if TYPE_CHECKING:
    from fournil._native.handles import Handle

T = TypeVar("T")


class EventLoop(
    LoopCore,
    ExecutorCalls,
    SocketCalls,
    TransportMaking,
    SelfPipe,
    Patches,
    asyncio.SelectorEventLoop,
):
    """An asyncio event loop whose hot path is native.

    `LoopCore` takes over callbacks, timers, polling and wake-ups, `Stream` connected sockets,
    `Datagrams` UDP, `Listener` servers, `TLSCore` TLS, and `fournil.offload` the threads of the
    default executor: of `asyncio.to_thread`, `run_in_executor(None, ...)`, name resolution.
    Subprocesses, signals and pipes are asyncio's own.

    Args:
        selector: what the loop is to wait by. A selector of the program's own is asked each time,
            and waits for the loop's epoll instance, which has what the loop waits for; one of the
            standard library's would wait as that does, and is only closed with the loop. Without
            one, the loop asks what took the place of `selectors.DefaultSelector`, if something did.

    Example:
        >>> loop = EventLoop()
        >>> loop.run_until_complete(asyncio.sleep(0, "done"))
        'done'
        >>> loop.close()
    """

    if TYPE_CHECKING:
        # asyncio's own, which its type stubs leave out.
        _current_handle: asyncio.Handle | None

        def _check_closed(self) -> None: ...
        def _check_running(self) -> None: ...
        def _set_coroutine_origin_tracking(self, enabled: bool) -> None: ...
        def _asyncgen_firstiter_hook(self, agen: AsyncGenerator[Any, Any]) -> None: ...
        def _asyncgen_finalizer_hook(self, agen: AsyncGenerator[Any, Any]) -> None: ...

    def __init__(self, selector: selectors.BaseSelector | None = None) -> None:
        self._given_selector = selector
        try:
            super().__init__(foreign_selector(selector) or PollerView(self))
        except BaseException:
            # Half made, as when descriptors run out: `close` could not take it apart.
            self._close_core()
            self._closed = True
            raise

    def run_forever(self) -> None:
        """Run until `stop` is called."""
        # Stacks are cut at this function: what is above it belongs to the step that runs.
        self._check_closed()
        self._check_running()
        if hook.late is not None:
            hook.late()
        self._set_coroutine_origin_tracking(self._debug)
        hooks = sys.get_asyncgen_hooks()
        set_running_loop = asyncio.events._set_running_loop
        # While a recorder looks for loops of another kind, this is a function of its own.
        set_running_loop = getattr(set_running_loop, "for_ours", set_running_loop)
        try:
            self._thread_id = threading.get_ident()
            sys.set_asyncgen_hooks(
                firstiter=self._asyncgen_firstiter_hook, finalizer=self._asyncgen_finalizer_hook
            )
            set_running_loop(self)
            self._run()
        finally:
            self._stopping = False
            self._thread_id = None
            set_running_loop(None)
            self._set_coroutine_origin_tracking(False)
            sys.set_asyncgen_hooks(*hooks)

    def close(self) -> None:
        """Close the loop; it must not be running."""
        closed = self.is_closed()
        super().close()
        if not closed:
            self._close_core()
            if self._given_selector is not None:
                self._given_selector.close()

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Hand what went wrong to the exception handler, after noting it for the recorder."""
        ring.note_problem(context)
        super().call_exception_handler(context)

    # Called by the core, for what is rare.

    def _callback_failed(self, handle: Handle, error: BaseException) -> None:
        context = {
            "message": f"Exception in callback {show_callback(handle)}",
            "exception": error,
            "handle": handle,
        }
        if handle._source_traceback:
            context["source_traceback"] = handle._source_traceback
        frames = error.__traceback__
        try:
            raise error
        except BaseException:
            # Handlers find it by sys.exception() too, with the frames of the callback alone.
            error.__traceback__ = frames
            self.call_exception_handler(context)

    def _run_in_debug_mode(self, handle: Handle) -> None:
        self._current_handle = handle
        try:
            begin = self.time()
            self._run_handle(handle)
            duration = self.time() - begin
            if duration >= self.slow_callback_duration:
                # asyncio's type hints leave both out.
                asyncio.base_events.logger.warning(  # type: ignore[attr-defined]
                    "Executing %s took %.3f seconds",
                    asyncio.base_events._format_handle(handle),  # type: ignore[attr-defined]
                    duration,
                )
        finally:
            self._current_handle = None
            # The frames of an exception's traceback keep this one, and with it the handle, whose
            # task may hold the exception: a task that nobody else holds would stay.
            del handle

    def _where(self) -> traceback.StackSummary:
        """Return the stack of the code that called a method of the core."""
        return asyncio.format_helpers.extract_stack(sys._getframe(1))


def new_event_loop() -> EventLoop:
    """Return a new event loop, as `asyncio.new_event_loop` does.

    Example:
        >>> with asyncio.Runner(loop_factory=new_event_loop) as runner:
        ...     runner.run(asyncio.sleep(0, "done"))
        'done'
    """
    return EventLoop()


class Runner(asyncio.Runner):  # type: ignore[misc]  # final for type checkers only
    """`asyncio.Runner` on Fournil's loop.

    Args:
        debug: whether the loop runs in debug mode; None leaves it to the interpreter's flags.
        loop_factory: makes the loop; `new_event_loop` unless given.
    """

    def __init__(
        self,
        *,
        debug: bool | None = None,
        loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
    ) -> None:
        super().__init__(debug=debug, loop_factory=loop_factory or new_event_loop)


def run(
    main: Coroutine[Any, Any, T],
    *,
    debug: bool | None = None,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> T:
    """Run a coroutine on Fournil's loop and return its result, as `asyncio.run` does.

    Args:
        main: the coroutine.
        debug: whether the loop runs in debug mode; None leaves it to the interpreter's flags.
        loop_factory: makes the loop; `new_event_loop` unless given.

    Raises:
        RuntimeError: a loop runs in this thread already.

    Example:
        >>> run(asyncio.sleep(0, "done"))
        'done'
    """
    if asyncio._get_running_loop() is not None:
        raise RuntimeError(
            "fournil.run() cannot be called from a running event loop; await the coroutine"
        )
    with Runner(debug=debug, loop_factory=loop_factory) as runner:
        return runner.run(main)
