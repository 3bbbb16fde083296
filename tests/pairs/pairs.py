"""All pairs."""

from __future__ import annotations

from tests.pairs import computing, endings, queues, servers, waiting

PAIRS = (
    *servers.PAIRS,
    *waiting.PAIRS,
    *queues.PAIRS,
    *endings.PAIRS,
    *computing.PAIRS,
)
