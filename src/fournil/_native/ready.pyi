from typing_extensions import disjoint_base

@disjoint_base
class ReadyQueue:
    def __len__(self) -> int: ...
