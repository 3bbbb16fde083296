from typing_extensions import disjoint_base

from fournil._native.handles import Handle

@disjoint_base
class Channel(Handle): ...
