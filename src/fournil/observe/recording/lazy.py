"""Collections that are made when they are first asked for something."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TypeVar, overload

Key = TypeVar("Key")
Value = TypeVar("Value")
Item_co = TypeVar("Item_co", covariant=True)


class LazyMapping(Mapping[Key, Value]):
    """A mapping that is made when it is first used."""

    def __init__(self, make: Callable[[], dict[Key, Value]]) -> None:
        self._make = make

    @cached_property
    def _made(self) -> dict[Key, Value]:
        return self._make()

    def __getitem__(self, key: Key) -> Value:
        return self._made[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)


class LazySequence(Sequence[Item_co]):
    """A sequence that is made when it is first used."""

    def __init__(self, make: Callable[[], Sequence[Item_co]]) -> None:
        self._make = make

    @cached_property
    def _made(self) -> Sequence[Item_co]:
        return self._make()

    @overload
    def __getitem__(self, index: int) -> Item_co: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Item_co]: ...
    def __getitem__(self, index: int | slice) -> Item_co | Sequence[Item_co]:
        return self._made[index]

    def __iter__(self) -> Iterator[Item_co]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)
