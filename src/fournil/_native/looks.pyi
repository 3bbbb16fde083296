from typing import Self

from typing_extensions import disjoint_base

from fournil._native.gil_probe import GilProbe
from fournil._native.ring import Ring

@disjoint_base
class Looks:
    def __new__(cls, ring: Ring, probe: GilProbe) -> Self: ...
