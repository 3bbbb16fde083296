from typing_extensions import disjoint_base

from fournil._native.endpoint import Endpoint

@disjoint_base
class Stream(Endpoint): ...
