"""A blocker: a function that blocks on one known line for a known time.

It is written as a generator that yields once, when all is prepared; what runs after that
blocks, on the line that ends in `# blocks`. After a second `yield` it closes what it opened
and lets go of what it made, which takes its time as well.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import cache
from time import perf_counter, thread_time
from typing import Literal

Class = Literal["waiting", "python", "native", "native-gil"]
Body = Generator[None]

MARK = "# blocks"

TRIALS = (1 / 30, 1 / 3)
"""How long the pieces of work take that are measured, as shares of the time that is wanted."""


@dataclass(frozen=True, slots=True)
class Blocker:
    """One way to block."""

    body: Callable[[float], Body]
    kind: Class
    unit: float | None = None
    """A small amount of work; None: the body takes seconds in place of an amount."""
    power: float = 1.0
    """The time grows with this power of the amount."""
    everywhere: bool = False
    """Whether it also runs from steps other than a task's."""
    also: Class | None = None
    """What it is as well: whether the kernel works or waits is the disk's affair."""

    @property
    def name(self) -> str:
        return self.body.__name__

    @property
    def file(self) -> str:
        return self.body.__code__.co_filename

    @property
    def line(self) -> int:
        """The number of the marked line."""
        lines, first = inspect.getsourcelines(self.body)
        (line,) = (number for number, text in enumerate(lines, first) if MARK in text)
        return line

    def prepare(self, seconds: float) -> Prepared:
        """Return it prepared to block for about so long, once."""
        return Prepared(self.body(self.amount(seconds)))

    @cache  # noqa: B019  # there are few
    def amount(self, seconds: float) -> float:
        """Return how much work takes about so long here."""
        if self.unit is None:
            return seconds
        amount, took = self.unit, self._measure(self.unit)
        for share in TRIALS:
            # Time does not grow with the amount alone: what fits into a cache is faster.
            enough = share * seconds
            while took < enough:
                amount *= min(3.0, max(1.1, enough / took) * 1.1) ** (1 / self.power)
                took = self._measure(amount)
        return float(amount * (seconds / took) ** (1 / self.power))

    def _measure(self, amount: float) -> float:
        # The time on the CPU does not depend on what else the machine does.
        clock = perf_counter if self.kind == "waiting" else thread_time
        prepared = Prepared(self.body(amount))
        begin = clock()
        prepared.block()
        took = clock() - begin
        prepared.close()
        return took


class Prepared:
    """A blocker that is ready to block."""

    def __init__(self, body: Body) -> None:
        self._body = body
        next(body)

    def block(self) -> None:
        next(self._body, None)

    def close(self) -> None:
        next(self._body, None)
