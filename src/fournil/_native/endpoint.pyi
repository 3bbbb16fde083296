from typing_extensions import disjoint_base

from fournil._native.channel import Channel

@disjoint_base
class Endpoint(Channel): ...
