from typing import Self

from typing_extensions import disjoint_base

from fournil._native.ring import Ring

@disjoint_base
class Watch:
    def __new__(cls, ring: Ring, quota: bytes | None = None) -> Self: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
