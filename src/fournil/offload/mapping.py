"""The results of many calls, of which a bounded number is in flight."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sized
from typing import Any, Generic, Protocol, TypeVar, cast

from fournil._worker.naming import name_of
from fournil.offload.call import Call

R = TypeVar("R")


class Submit(Protocol):
    """What has a pool begin a call."""

    def __call__(
        self, function: Callable[..., R], args: tuple[Any, ...], kwargs: dict[str, Any], /
    ) -> Call[R]: ...


class Results(AsyncIterator[R]):
    """Results of `Pool.map`: an async iterator over the results of calls.

    Left early, by `break` or an exception, the calls in flight are cancelled: at once when the
    iterator is let go of, as by the end of the `async for`; `aclose` also waits for them.

    Attributes:
        total: how many results there will be, where that is known.
    """

    def __init__(
        self,
        submit: Submit,
        function: Callable[..., R],
        sources: tuple[Iterable[Any] | AsyncIterable[Any], ...],
        ordered: bool,
        in_flight: int,
    ) -> None:
        self.total = _shortest(sources)
        self._calls: Feed[R] = Feed(submit, function, zipped(sources), ordered, in_flight)

    def __aiter__(self) -> AsyncIterator[R]:
        return self

    async def __anext__(self) -> R:
        try:
            return await self._calls.next()
        except BaseException:
            await self._calls.close()
            raise

    async def aclose(self) -> None:
        """End the iteration: cancel the calls in flight, and wait for those that run."""
        await self._calls.close()

    def __del__(self) -> None:
        if not hasattr(self, "_calls"):  # the items were none
            return
        loop = self._calls.loop
        if loop is None or loop.is_closed():
            return
        if threading.get_ident() == self._calls.thread:
            self._calls.cancel()
            return
        # The collector runs in any thread.
        try:
            loop.call_soon_threadsafe(self._calls.cancel)
        except RuntimeError:
            pass  # closed meanwhile


class Feed(Generic[R]):
    """Calls of one `map`, fed from its items; apart from `Results`, which its user alone holds."""

    def __init__(
        self,
        submit: Submit,
        function: Callable[..., R],
        items: Iterator[tuple[Any, ...]] | AsyncIterator[tuple[Any, ...]],
        ordered: bool,
        most: int,
    ) -> None:
        # Of the loop in which results are asked for; None: none was.
        self.loop: asyncio.AbstractEventLoop | None = None
        self.thread = 0
        self._submit = submit
        self.function = function
        self.ordered = ordered
        self.most = most
        self.items = items
        # In the order of the items, or in that in which they ended.
        self.calls: deque[Call[R]] = deque()
        self.in_flight: set[Call[R]] = set()
        self.exhausted = False
        self.left = False  # nobody wants more results
        self.error: BaseException | None = None  # of the items, told after the results
        self.news: asyncio.Future[None] | None = None
        self.feeder: asyncio.Task[None] | None = None

    async def next(self) -> R:
        if self.loop is None:
            self.loop = asyncio.get_running_loop()
            self.thread = threading.get_ident()
        if isinstance(self.items, Iterator):
            self.feed(self.items)
        elif self.feeder is None and not self.exhausted:
            self.feeder = asyncio.get_running_loop().create_task(self.feed_async(self.items))
        # Not by awaiting a call: to be cancelled would then be the affair of that call alone.
        while not (self.calls and self.calls[0].done()):
            if self.exhausted and not self.calls and not self.in_flight:
                raise self.error or StopAsyncIteration
            await self.wait()
        call = self.calls.popleft()
        if self.feeder is not None:
            self.tell()
        try:
            return call.result()
        except StopAsyncIteration as error:
            # It would end the iteration, as if there were no more.
            name = name_of(self.function)
            raise RuntimeError(f"{name}() raised StopAsyncIteration") from error

    def feed(self, items: Iterator[tuple[Any, ...]]) -> None:
        """Submit calls, as many as may be in flight."""
        while not self.exhausted and self.has_room():
            try:
                self.submit(next(items))
            except StopIteration:
                self.exhausted = True
            except Exception as error:
                self.exhausted = True
                self.error = error

    async def feed_async(self, items: AsyncIterator[tuple[Any, ...]]) -> None:
        """Submit calls as their items come."""
        try:
            async for args in items:
                self.submit(args)
                while not self.has_room():
                    await self.wait()
        except Exception as error:
            self.error = error
        finally:
            self.exhausted = True
            self.tell()

    def has_room(self) -> bool:
        # Results that nobody took yet count as well: neither may grow without end.
        ended_apart = 0 if self.ordered else len(self.in_flight)
        return len(self.calls) + ended_apart < self.most

    def submit(self, args: tuple[Any, ...]) -> None:
        call = self._submit(self.function, args, {})
        self.in_flight.add(call)
        if self.ordered:
            self.calls.append(call)
        call.add_done_callback(self.ended)
        self.tell()

    def ended(self, call: Call[R]) -> None:
        self.in_flight.discard(call)
        if not self.ordered and not self.left:
            self.calls.append(call)
        self.tell()

    async def wait(self) -> None:
        """Wait until something has changed."""
        if self.news is None:
            self.news = asyncio.get_running_loop().create_future()
        await asyncio.shield(self.news)

    def tell(self) -> None:
        if self.news is not None and not self.news.done():
            self.news.set_result(None)
        self.news = None

    def cancel(self) -> None:
        """Cancel what is in flight."""
        self.left = self.exhausted = True
        self.error = None
        if self.feeder is not None:
            self.feeder.cancel()
        for call in [*self.in_flight]:
            call.cancel()
        for call in self.calls:
            if call.done() and not call.cancelled():
                call.exception()  # of several that failed, one is told
        self.calls.clear()

    async def close(self) -> None:
        """Cancel what is in flight, and wait for what runs."""
        left: list[asyncio.Future[Any]] = [*self.in_flight]
        if self.feeder is not None:
            left.append(self.feeder)
        self.cancel()
        await asyncio.gather(*left, return_exceptions=True)


def _shortest(sources: tuple[Iterable[Any] | AsyncIterable[Any], ...]) -> int | None:
    if all(isinstance(source, Sized) for source in sources):
        return min(len(cast("Sized", source)) for source in sources)
    return None


def zipped(
    sources: tuple[Iterable[Any] | AsyncIterable[Any], ...],
) -> Iterator[tuple[Any, ...]] | AsyncIterator[tuple[Any, ...]]:
    """Return an iterator over tuples of one item of each source; async if one of them is."""
    for source in sources:
        if not isinstance(source, Iterable | AsyncIterable):
            raise TypeError(
                f"map() takes iterables and async iterables, got {source!r}"
                f" of type {type(source).__name__}"
            )
    if any(isinstance(source, AsyncIterable) for source in sources):
        return zip_async(sources)
    return zip(*sources, strict=False)


async def zip_async(
    sources: tuple[Iterable[Any] | AsyncIterable[Any], ...],
) -> AsyncIterator[tuple[Any, ...]]:
    iterators = [
        aiter(source) if isinstance(source, AsyncIterable) else iter(source) for source in sources
    ]
    while True:
        items = []
        for iterator in iterators:
            try:
                if isinstance(iterator, AsyncIterator):
                    items.append(await anext(iterator))
                else:
                    items.append(next(iterator))
            except (StopIteration, StopAsyncIteration):
                return
        yield tuple(items)
