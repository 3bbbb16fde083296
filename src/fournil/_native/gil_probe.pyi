from typing import Self

from typing_extensions import disjoint_base

from fournil._native.ring import Ring

@disjoint_base
class GilProbe:
    def __new__(cls, ring: Ring) -> Self: ...
