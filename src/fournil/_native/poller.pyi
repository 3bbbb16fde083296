from typing_extensions import disjoint_base

from fournil._native.interest import Interest
from fournil._native.ready import ReadyQueue

@disjoint_base
class Poller(Interest):
    def __new__(cls, ready: ReadyQueue) -> Poller: ...
    def fileno(self) -> int: ...
