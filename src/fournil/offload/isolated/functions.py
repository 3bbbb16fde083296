"""Functions of a pool: each is sent to a worker once, and called by its number."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

from fournil._worker.handlers import pass_on
from fournil._worker.pickling.packing import pack
from fournil._worker.pickling.refusing import refusal

MOST = 1000
"""So many functions are remembered; lambdas that are made for one call must not pile up."""

CONSTANT = (int, float, complex, str, bytes, bool, type(None), ModuleType, BuiltinFunctionType)

_missing = object()


@dataclass(slots=True, eq=False)
class Sent:
    """A function as it was packed.

    Attributes:
        number: the number that it is called by.
        body, buffers: the function, packed.
        function: the function; kept, so that no other has its identity.
        found: objects that it found outside of itself when it was packed: where, under which name,
            and which.
        lasts: whether it would be packed the same as long as it finds the same.
    """

    number: int
    body: bytes
    buffers: list[memoryview]
    function: object
    found: list[tuple[Any, Any, object]]
    lasts: bool

    def is_current(self) -> bool:
        """Return whether the function would be packed the same now."""
        if not self.found:
            return self.lasts
        return self.lasts and all(_look_up(where, name) is what for where, name, what in self.found)


class Functions:
    """The functions of one pool.

    Args:
        forget: called with the number of a function that workers need know no more, and whether
            they are to be told soon, since it holds much memory.
    """

    def __init__(self, forget: Callable[[int, bool], None]) -> None:
        self._forget = forget
        self._known: OrderedDict[int, Sent] = OrderedDict()
        self._by_body: OrderedDict[bytes, int] = OrderedDict()
        self._numbers = count(1)
        self._last: Sent | None = None  # asked for in this turn

    def end_turn(self) -> None:
        """Look again at the next call whether its function is what it was."""
        last, self._last = self._last, None
        if last is not None and last.buffers:
            # What it holds is big, and may be memory that its user wants back.
            self._forget(last.number, True)

    def get(self, function: Callable[..., Any]) -> Sent:
        """Return a function, packed.

        Raises:
            CannotTravelError: it cannot be.
        """
        last = self._last
        if last is not None:
            if last.function is function:
                return last
            self.end_turn()
        self._last = sent = self._get(function)
        return sent

    def _get(self, function: Callable[..., Any]) -> Sent:
        known = self._known.get(id(function))
        if known is not None and known.is_current():
            return known
        try:
            body, buffers = pack(function)
        except BaseException as why:
            pass_on(why)
            raise refusal("the function", function, why) from why
        # Equal bytes are equal functions, such as a lambda that is made anew for each call.
        number = None if buffers else self._by_body.get(body)
        if number is None:
            number = next(self._numbers)
        found: list[tuple[Any, Any, object]] = []
        lasts = _is_a_name(function, body) or _lasts(function, found, set())
        sent = Sent(number, body, buffers, function, found, lasts)
        if not buffers:
            self._remember(sent)
        return sent

    def _remember(self, sent: Sent) -> None:
        self._by_body[sent.body] = sent.number
        self._by_body.move_to_end(sent.body)
        if len(self._by_body) > MOST:
            _, number = self._by_body.popitem(last=False)
            self._forget(number, False)
        if sent.lasts:
            # No other: it is packed for each call, and holds what its user may want back.
            self._known[id(sent.function)] = sent
            self._known.move_to_end(id(sent.function))
            if len(self._known) > MOST:
                self._known.popitem(last=False)


def _is_a_name(function: object, body: bytes) -> bool:
    """Return whether a function was packed as the name under which a module has it."""
    if isinstance(function, BuiltinFunctionType):
        return isinstance(function.__self__, ModuleType)
    return isinstance(function, FunctionType | type) and b"cloudpickle" not in body


def _lasts(value: object, found: list[tuple[Any, Any, object]], seen: set[int]) -> bool:
    """Return whether an object is constant, if all that it finds outside of itself stays the same.

    A list or an object may have changed by the next call: a function that finds one, or is one's
    method, is packed for each call.

    Args:
        value: the object.
        found: gets what it finds: where, under which name, and what.
        seen: what was looked at already.
    """
    if isinstance(value, CONSTANT) or id(value) in seen:
        return True
    seen.add(id(value))
    if isinstance(value, tuple | frozenset):
        return all(_lasts(part, found, seen) for part in value)
    if isinstance(value, type):
        # Whoever changes a class while calls of it are on their way is on their own.
        return True
    if not isinstance(value, FunctionType) or value.__kwdefaults__ or value.__dict__:
        return False
    found += [(value, name, _look_up(value, name)) for name in ("__code__", "__defaults__")]
    found += [(cell, "value", _look_up(cell, "value")) for cell in value.__closure__ or ()]
    names = [name for name in _names_in(value.__code__) if name in value.__globals__]
    found += [(value.__globals__, name, value.__globals__[name]) for name in names]
    return all(
        what is _missing or _lasts(what, found, seen)
        for _, name, what in list(found)
        if name != "__code__"
    )


def _names_in(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)


def _look_up(where: Any, name: Any) -> object:
    if isinstance(where, dict):
        return where.get(name, _missing)
    if isinstance(where, FunctionType):
        return getattr(where, name)
    try:
        return where.cell_contents
    except ValueError:
        return _missing
