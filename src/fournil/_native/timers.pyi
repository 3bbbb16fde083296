from typing_extensions import disjoint_base

@disjoint_base
class Timers:
    def __len__(self) -> int: ...
