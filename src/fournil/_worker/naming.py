"""Names and texts of objects in messages, whatever the objects do when they are asked."""

from __future__ import annotations

from fournil._worker.handlers import pass_on

LONGEST_TEXT = 1 << 16
"""The most characters of an exception's text, for where the exception itself cannot travel."""

SHORT = 80
"""The most characters of an object's text in a message."""


def name_of(function: object) -> str:
    """Return how messages name a function."""
    try:
        name = getattr(function, "__qualname__", None)
    except BaseException as why:
        # What an object says of itself is code of the program.
        pass_on(why)
        name = None
    if type(name) is str:
        return name
    return short(function)


def short(value: object) -> str:
    """Return an object's text, cut to what fits into a message."""
    try:
        text = repr(value)
    except BaseException as why:
        pass_on(why)
        return f"(its repr raises {type(why).__name__})"
    return text if len(text) <= SHORT else f"{text[: SHORT - 3]}..."


def type_name(kind: type[BaseException]) -> str:
    """Return the name of an exception's class, with its module where that can be had."""
    try:
        return f"{kind.__module__}.{kind.__qualname__}"
    except BaseException as why:
        pass_on(why)
        return type.__dict__["__qualname__"].__get__(kind)  # type: ignore[no-any-return]


def text_of(error: BaseException) -> str:
    """Return the text of an exception, cut to what is worth sending."""
    try:
        text = str.__str__(str(error))
    except BaseException as why:
        pass_on(why)
        return f"(its text raises {type(why).__name__})"
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 3]}..."


def described(why: BaseException) -> str:
    """Return the type and the text of an exception, whatever its text does."""
    return f"{type(why).__name__}: {text_of(why)}"
