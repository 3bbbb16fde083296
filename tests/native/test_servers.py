"""What our servers do that asyncio's do not."""

from __future__ import annotations

import asyncio
import socket

import fournil


def test_small_writes_are_not_delayed_whatever_the_listening_socket_says_of_its_protocol() -> None:
    seen: list[int] = []

    class Asking(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            sock = transport.get_extra_info("socket")
            seen.append(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            transport.close()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        # 0, as `socket.socket()` has it, means TCP, and servers are handed such sockets.
        with socket.create_server(("127.0.0.1", 0)) as listening:
            assert listening.proto == 0
            server = await loop.create_server(Asking, sock=listening)
            async with server:
                reader, writer = await asyncio.open_connection(*listening.getsockname())
                assert await reader.read() == b""
                writer.close()
                await writer.wait_closed()

    fournil.run(main())
    assert seen == [1]
