"""The way of calls to the threads that run them, and of their outcomes back to a loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from fournil._worker.adaptive_spin import AdaptiveSpin
from fournil.offload.spin_wait import new_spin_wait
from fournil.offload.wakers import new_sleep, waker_of

T = TypeVar("T")

traceback_of: Any = BaseException.__dict__["__traceback__"]
"""The traceback of an exception, whose class may give the name another meaning."""

AT_ONCE = 500
"""So many outcomes are handed on in one step of the loop; then others have their turn."""

SPIN_NS = 60_000
"""A worker spins for so long before it sleeps: about as long as it takes to wake one."""

SOON_NS = 2 * SPIN_NS
"""It spins if it waited less the last time: part of that was the time it took to wake it."""


class CallQueue(Generic[T]):
    """Calls that wait for a thread, in the order in which they came.

    Any thread may append calls and take them: each operation on a deque is one step of the
    interpreter.

    Attributes:
        calls: calls that nobody has taken.
        spin_wait: where one worker at a time spins. It begins to spin and then looks at `calls`
            once more; whoever appends a call then calls the spinner, or, if there is none, looks
            at `waiting`. A worker that was not called then sleeps.
        waiting: workers that sleep, or are about to. A worker appends itself and then looks at
            `calls` once more; whoever appends a call then looks here: so that one of them sees the
            other. Whoever takes a worker from here wakes it.
    """

    def __init__(self) -> None:
        self.calls: deque[T] = deque()
        self.spin_wait = new_spin_wait()
        self.waiting: deque[Waiter] = deque()

    def put(self, call: T) -> None:
        """Append a call, and have a worker that waits take it."""
        self.calls.append(call)
        if not self.spin_wait.call():
            self.wake_worker()

    def wake_worker(self) -> None:
        """Wake the worker that began to wait last, if any waits, and let it have the GIL."""
        try:
            worker = self.waiting.pop()
        except IndexError:
            return
        worker.sleep.post()

    def wake_worker_later(self) -> None:
        """Wake a worker as `wake_worker` does, which runs when the GIL is free."""
        try:
            worker = self.waiting.pop()
        except IndexError:
            return
        worker.sleep.post_with_gil()

    def leave(self) -> None:
        """Forget calls and workers, in a forked child: they are its parent's."""
        self.calls.clear()
        self.waiting.clear()
        self.spin_wait = new_spin_wait()  # a worker that is not here may spin at the old one


class Waiter:
    """The part of a worker that waits for calls; used by its own thread, but for `sleep`.

    It spins for a moment, and then sleeps until it is woken, by somebody who lets go of the GIL for
    that: who is woken, if on the same core, finds it free. A lock is released with the GIL held;
    the kernel then switches to the woken thread, which waits for the GIL, and back.

    Attributes:
        sleep: what the thread sleeps on; posted by whoever took the worker from
            `CallQueue.waiting`.
    """

    def __init__(self) -> None:
        self.spin = AdaptiveSpin(SOON_NS)
        self.sleep = new_sleep()

    def wait(self, queue: CallQueue[Any]) -> None:
        """Wait until there may be a call, or somebody woke this worker for another reason."""
        spin = self.spin
        try:
            if spin.begin():
                called = queue.spin_wait.look(SPIN_NS, queue.calls)
                if called is None:
                    spin.disturbed()
                elif called:
                    spin.found()
                    return
            self._sleep(queue)
        finally:
            spin.end()

    def _sleep(self, queue: CallQueue[Any]) -> None:
        queue.waiting.append(self)
        if queue.calls:
            try:
                queue.waiting.remove(self)
            except ValueError:
                pass  # somebody took this worker from there, and posts
            else:
                return
        self.sleep.wait()


class Wakes:
    """Wakes of workers by a loop that submits calls; of the loop's thread alone.

    A step may wait for a call that it submits, so that each call wakes a worker at once, if one
    sleeps. Who is woken gets the GIL, and keeps it until it has nothing to do: that is soonest for
    a single call, and in the midst of a burst it is a switch of threads for each. So each worker
    is woken like that once; then the loop keeps the GIL, and a worker that was woken waits for it
    until the interpreter has threads switched, and meanwhile is none that sleeps.

    Args:
        queue: where the calls are.
        workers: how many workers there are at most.
    """

    def __init__(self, queue: CallQueue[Any], workers: int) -> None:
        self._queue = queue
        self._workers = workers
        self._left = workers  # how many more are given the GIL

    def wake(self) -> None:
        """Have a worker take the call that was appended, if one waits."""
        queue = self._queue
        if queue.spin_wait.call() or not queue.waiting:
            return
        if self._left:
            self._left -= 1
            queue.wake_worker()
        else:
            queue.wake_worker_later()

    def renew(self) -> None:
        """Outcomes have come: whatever is submitted now is no part of the last burst."""
        self._left = self._workers


class Outcomes(Generic[T]):
    """Outcomes of calls on their way to a loop, which is woken once for many.

    Args:
        loop: the loop.
        collect: called in the loop's thread when there may be outcomes; it is to call `hand_on`.

    Attributes:
        ended: calls with what they returned or raised; workers append, the loop's thread takes.
        woken: set by workers and cleared by the loop's thread, always before it looks at `ended`:
            of several calls that end together, the first wakes the loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, collect: Callable[[], None]) -> None:
        self._loop = loop
        self._collect = collect
        self.waker = waker_of(loop, collect)
        self.ended: deque[tuple[T, Any, BaseException | None]] = deque()
        self.woken = False

    def wake_loop(self) -> None:
        """Have the loop look at `ended`; called by a worker that found `woken` false there."""
        self.woken = True
        if not self.waker.wake():
            # The loop is closed: nobody waits for anything any more.
            self.ended.clear()
            self.woken = False

    def hand_on(
        self, end: Callable[[T, Any, BaseException | None], None], *, most: int = AT_ONCE
    ) -> None:
        """Call a function with each outcome.

        What the function raises, as a signal's handler does, is raised after what is left was
        seen to.

        Args:
            end: the function.
            most: the number of outcomes after which others have their turn first.
        """
        # Before the look: what ends after it wakes the loop again.
        self.woken = False
        ended = self.ended
        try:
            for _ in range(min(len(ended), most)):
                end(*ended.popleft())
        finally:
            if ended and not self.woken:
                self.woken = True
                self._loop.call_soon(self._collect)
