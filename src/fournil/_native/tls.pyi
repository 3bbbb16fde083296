import asyncio
import ssl

from typing_extensions import disjoint_base

from fournil._native.tls_receiving import Receiving

@disjoint_base
class TLSCore(Receiving):
    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        app_protocol: asyncio.BaseProtocol,
        sslcontext: ssl.SSLContext,
        waiter: asyncio.Future[None] | None,
        server_side: bool,
        server_hostname: str | None,
        call_connection_made: bool,
        handshake_timeout: float,
        shutdown_timeout: float,
    ) -> None: ...
    @property
    def _sslcontext(self) -> ssl.SSLContext: ...
    @property
    def _sslobj(self) -> ssl.SSLObject: ...
    def connection_made(self, transport: asyncio.BaseTransport) -> None: ...
    def eof_received(self) -> bool: ...
    def connection_lost(self, error: Exception | None) -> None: ...
    def _feed(self, data: bytes) -> None: ...
    def _handshake_timed_out(self) -> None: ...
    def _shutdown_timed_out(self) -> None: ...
