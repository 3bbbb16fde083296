"""For what a framework ran a step: pure data."""

from __future__ import annotations

from typing import NamedTuple

from fournil.evidence.stacks import Frame


class Served(NamedTuple):
    """For what a framework ran a step."""

    handler: Frame | None  # the user's own function, at its first line
    route: str | None  # as `GET /bread/{kind}`
