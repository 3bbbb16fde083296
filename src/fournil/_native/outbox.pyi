from typing_extensions import disjoint_base

@disjoint_base
class Outbox:
    @property
    def size(self) -> int: ...
