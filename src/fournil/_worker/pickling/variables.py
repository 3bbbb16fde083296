"""Context variables, by keys that both sides of a pool know.

A context variable is its own identity: a copy would be another variable. So one that a module
has at its top travels as the module's and its own name, and any other as a token, of which each
worker makes one variable.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextvars import Context, ContextVar
from importlib import import_module
from itertools import count

from fournil._worker.pickling.modules import is_found

TYPE_CHECKING = False  # typing takes longer to import than all else
if TYPE_CHECKING:
    from typing import Any

_by_token: dict[str, ContextVar[Any]] = {}
_keys: dict[ContextVar[Any], Key] = {}
_numbers = count(1)

if TYPE_CHECKING:
    Key = tuple[str, str, tuple[Any, ...]]
    """Module and name; or nothing, a token, and the default if it has one."""

    Values = list[tuple[Key, object]]


def key_of(variable: ContextVar[Any]) -> Key:
    """Return the key of a variable."""
    key = _keys.get(variable)
    if key is None:
        key = _place_of(variable)
        if key is None:
            token = f"{variable.name} {next(_numbers)}"
            key = "", token, _default_of(variable)
            _by_token[token] = variable
        _keys[variable] = key
    return key


def _place_of(variable: ContextVar[Any]) -> Key | None:
    for name, module in list(sys.modules.items()):
        if not isinstance(getattr(module, "__dict__", None), dict):
            continue
        for attribute, value in list(vars(module).items()):
            if value is variable and is_found(name):
                return name, attribute, ()
    return None


def _default_of(variable: ContextVar[Any]) -> tuple[Any, ...]:
    try:
        # Nothing is set there.
        return (Context().run(variable.get),)
    except LookupError:
        return ()


def variable_of(key: Key) -> ContextVar[Any]:
    """Return the variable that is known by a key in this process."""
    module, name, default = key
    if module:
        variable = getattr(import_module(module), name)
        assert isinstance(variable, ContextVar)
        return variable
    variable = _by_token.get(name)
    if variable is None:
        own = name.rpartition(" ")[0]
        variable = ContextVar(own, default=default[0]) if default else ContextVar(own)
        _by_token[name] = variable
        _keys[variable] = key
    return variable


def reduced(variable: ContextVar[Any]) -> tuple[Any, ...]:
    """Return how pickle is to take a variable."""
    return variable_of, (key_of(variable),)


def values_of(variables: Iterable[ContextVar[Any]]) -> Values:
    """Return the values that variables have here, of those that have one."""
    missing = object()
    return [
        (key_of(variable), value)
        for variable in variables
        if (value := variable.get(missing)) is not missing
    ]


def set_values(values: Values) -> None:
    """Give variables their values in the present context."""
    for key, value in values:
        variable_of(key).set(value)
