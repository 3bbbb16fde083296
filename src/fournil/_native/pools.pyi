from typing import Self

from typing_extensions import disjoint_base

from fournil._native.ring import Ring

@disjoint_base
class PoolRecord:
    def __new__(cls, ring: Ring, kind: str, name: str, workers: int) -> Self: ...
    def queued(self) -> int: ...
    def ended(
        self,
        function: object,
        worker: str | None,
        subject: int,
        state: int,
        times: tuple[int, int, int, int, int],
        bytes_out: int,
        bytes_back: int,
    ) -> None: ...
    def used(self, cpu_ns: int) -> None: ...
    def close(self) -> None: ...
