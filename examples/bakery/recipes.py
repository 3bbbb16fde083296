"""What the bakery works on: the same for each version of its kitchen."""

from __future__ import annotations

import re

FOLDS = 2_200_000
"""How often a dough is folded."""

MINUTES = 210_000
HEATING = 4_000
"""How many minutes are simulated, and over how many of them a loaf takes up the oven's heat."""

INGREDIENTS = 285

SEALED = re.compile(r"(.*),(.*),(.*);")
"""What a label must match. The three groups can share the commas in very many ways, and where
the last character is missing, each of them is tried."""


def label(order: int) -> str:
    """Return the text on the label of an order, which is not sealed."""
    return f"order {order}: " + ",".join(f"E{number}" for number in range(INGREDIENTS))
