from collections.abc import Mapping
from typing import Any, Self

from typing_extensions import disjoint_base

@disjoint_base
class MappedRecording:
    @property
    def path(self) -> str: ...
    @property
    def pid(self) -> int: ...
    def __new__(
        cls,
        fd: int,
        path: str,
        size: int,
        threshold_ns: int,
        switch_interval_ns: int,
        program: int,
        parent: int,
        meta: Mapping[str, Any],
    ) -> Self: ...
    def renew_clock(self) -> None: ...
