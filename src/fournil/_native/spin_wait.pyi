from collections.abc import Sized

from typing_extensions import disjoint_base

@disjoint_base
class SpinWait:
    def look(self, ns: int, calls: Sized) -> bool | None: ...
    def call(self) -> bool: ...
