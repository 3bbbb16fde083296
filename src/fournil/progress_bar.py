"""How far a loop over results is: a bar in the terminal, or a call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress as Bar, TaskID

R = TypeVar("R")


def progress(
    results: AsyncIterator[R],
    /,
    *,
    total: int | None = None,
    description: str = "",
    callback: Callable[[int, int | None], object] | None = None,
) -> Progress[R]:
    """Yield results as they come, and show how many came.

    Args:
        results: what `pool.map` returned, or any async iterator.
        total: how many are expected; unless given, as many as `pool.map` was given items, where
            that is known.
        description: what stands before the bar.
        callback: called with how many came and the total, in place of the bar on stderr.

    Example:
        async for size in fournil.progress(pool.map(compress, files)):
            ...
    """
    if not isinstance(results, AsyncIterator):
        raise TypeError(
            f"progress() takes what pool.map() returns, or another async iterator, got {results!r}"
        )
    if total is None:
        total = getattr(results, "total", None)
    return Progress(results, total, description, callback)


class Progress(AsyncIterator[R], Generic[R]):
    """What `progress` returns."""

    def __init__(
        self,
        results: AsyncIterator[R],
        total: int | None,
        description: str,
        callback: Callable[[int, int | None], object] | None,
    ) -> None:
        self._results = results
        self._total = total
        self._description = description
        self._callback = callback
        self._done = 0
        self._bar: Bar | None = None
        self._row: TaskID | None = None

    def __aiter__(self) -> AsyncIterator[R]:
        return self

    async def __anext__(self) -> R:
        if self._callback is None and self._bar is None:
            # Its import takes long enough to block the loop.
            bar = self._bar = await asyncio.to_thread(_new_bar)
            self._row = bar.add_task(self._description, total=self._total)
            bar.start()
        try:
            result = await anext(self._results)
        except BaseException:
            self._end()
            raise
        self._done += 1
        if self._callback is not None:
            self._callback(self._done, self._total)
        elif self._bar is not None and self._row is not None:
            self._bar.update(self._row, completed=self._done)
        return result

    async def aclose(self) -> None:
        """End the iteration, as that of the results."""
        self._end()
        close = getattr(self._results, "aclose", None)
        if close is not None:
            await close()

    def _end(self) -> None:
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.stop()
            self._callback = _nobody  # an iterator that has ended may be asked again

    def __del__(self) -> None:
        if getattr(self, "_bar", None) is not None:
            self._end()


def _nobody(_done: int, _total: int | None) -> None:
    pass


def _new_bar() -> Bar:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
