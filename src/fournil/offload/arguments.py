"""Checks of what pools are given: each raises what says what was wrong."""

from __future__ import annotations

import operator


def whole(what: str, number: object) -> int:
    """Return a whole number that somebody gave; raise TypeError if it is none."""
    try:
        return operator.index(number)  # type: ignore[arg-type]  # that is what is found out
    except TypeError:
        raise TypeError(f"{what} is a whole number, got {number!r}") from None


def at_least_one(what: str, number: int | None) -> int | None:
    """Return a bound that somebody gave; raise what says so if it is none."""
    if number is None:
        return None
    if (found := whole(what, number)) < 1:
        raise ValueError(f"{what} is at least one, or None, got {number}")
    return found


def number_of_seconds(what: str, seconds: float) -> None:
    """Raise what is to be raised about a time that somebody gave, if it is none."""
    if not isinstance(seconds, int | float):
        raise TypeError(f"{what} is a number of seconds, got {seconds!r}")
    if not seconds >= 0:
        raise ValueError(f"{what} is a number of seconds, got {seconds}")
