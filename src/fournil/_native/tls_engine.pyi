import ssl

from typing_extensions import disjoint_base

@disjoint_base
class Engine:
    def __init__(
        self, context: ssl.SSLContext, server_side: bool, server_hostname: str | None
    ) -> None: ...
    @property
    def sslobj(self) -> ssl.SSLObject: ...
