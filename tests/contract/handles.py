"""Counts what the loops keep: handles, timers, transports, listeners and operations alike."""

from __future__ import annotations

import gc
from collections import Counter

from fournil._native.handles import Handle


def living() -> Counter[str]:
    """Count the living handles of all kinds by their type's name, but what `gc.freeze` hid."""
    # `isinstance` also goes by `__class__`, which some objects compute.
    types = (type(each) for each in gc.get_objects())
    return Counter(type_.__name__ for type_ in types if issubclass(type_, Handle))
