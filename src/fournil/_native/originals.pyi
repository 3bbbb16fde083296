from typing_extensions import disjoint_base

@disjoint_base
class Originals:
    def __new__(cls, owner: type, *names: str) -> Originals: ...
