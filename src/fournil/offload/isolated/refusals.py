"""Refusals: what is raised about calls and results that cannot travel to a worker and back."""

from __future__ import annotations

from typing import Any

from fournil._worker.naming import described, name_of
from fournil._worker.pickling.failure import unpack_error
from fournil._worker.pickling.refusing import cannot_travel, refusal
from fournil.errors import CannotTravelError, PoolError
from fournil.offload.call import Call


def refused(call: Call[Any], why: BaseException) -> CannotTravelError:
    """Return what to raise about arguments that cannot travel."""
    function = name_of(call.function)
    for index, value in enumerate(call.args):
        if cannot_travel(value):
            return refusal(f"argument {index + 1}", value, why, of=f" of {function}")
    for name, value in call.kwargs.items():
        if cannot_travel(value):
            return refusal(f"argument {name}", value, why, of=f" of {function}")
    for (module, name, _), value in call.values or ():
        if cannot_travel(value):
            # One that no module has is known by its name and a number.
            own = name if module else name.rpartition(" ")[0]
            return refusal(f"the context variable {own}", value, why, of=f" of {function}")
    return refusal(f"the context of {function}", call.values, why)


def raised_there(packed: bytes | memoryview) -> tuple[BaseException, BaseException | None]:
    """Return what was raised in a worker; and what was raised here instead, if it was."""
    try:
        return unpack_error(packed), None
    except BaseException as why:
        return lost_on_the_way(why), why


def lost_on_the_way(why: BaseException) -> PoolError:
    """Return what to raise in place of what a call raised, since that cannot be had here."""
    return PoolError(f"what a call raised cannot be unpickled here ({described(why)})")


def cannot_come_back(call: Call[Any], why: BaseException) -> CannotTravelError:
    """Return what to raise in place of a result that cannot be had here."""
    error = CannotTravelError(
        f"what {name_of(call.function)} returned cannot be unpickled here ({described(why)})"
    )
    error.__cause__ = why
    return error
