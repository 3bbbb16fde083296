"""What the mended kitchen's worker processes do. It imports little, so that they start fast."""

from __future__ import annotations

import recipes


def fold(order: int) -> int:
    return sum(fold * order % 7 for fold in range(recipes.FOLDS))


def check(order: int) -> str:
    text = recipes.label(order)
    return text if recipes.SEALED.match(text) else f"{text}: not sealed"
