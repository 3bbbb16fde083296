from typing_extensions import disjoint_base

from fournil._native.ready import ReadyQueue
from fournil._native.registrations import Registrations

@disjoint_base
class Poller(Registrations):
    def __new__(cls, ready: ReadyQueue) -> Poller: ...
    def fileno(self) -> int: ...
