"""What the collector does to native objects whose methods may be called while it collects them."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import socket
from typing import Any

import pytest

import fournil
from fournil._native import (
    channel,
    datagrams,
    endpoint,
    listener,
    poller,
    reader,
    socks,
    stream,
    tls,
    tls_engine,
    tls_receiving,
    tls_sending,
    writer,
)

# Of PyTypeObject, which has the same first fields in each CPython from 3.11 to 3.15.
TP_CLEAR = 24 + 21 * 8

NOT_CLEARED = [
    channel.Channel,
    endpoint.Endpoint,
    stream.Stream,
    datagrams.Datagrams,
    listener.Listener,
    socks.Operation,
    socks.SockRecv,
    socks.SockRecvInto,
    socks.SockSendAll,
    socks.SockCall,
    poller.Poller,
    reader.ReaderState,
    writer.Direct,
    tls_engine.Engine,
    tls_sending.Sending,
    tls_receiving.Receiving,
    tls.TLSCore,
]


def clears(kind: type) -> bool:
    """Return whether the collector takes the fields of a type's instances away."""
    return ctypes.c_void_p.from_address(id(kind) + TP_CLEAR).value is not None


def test_where_a_type_says_whether_it_is_cleared() -> None:
    assert clears(dict)
    assert not clears(int)


@pytest.mark.parametrize("kind", NOT_CLEARED, ids=lambda kind: kind.__name__)
def test_what_may_still_be_called_keeps_what_it_needs(kind: type) -> None:
    assert not clears(kind)


class Late:
    """Uses other objects when it ends."""

    def __init__(self, *things: Any) -> None:
        self.things = things

    def __del__(self) -> None:
        for thing in self.things:
            for name in ("cancel", "close", "abort", "cancelled", "__repr__"):
                with contextlib.suppress(Exception):
                    getattr(thing, name, int)()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("recorded", [False, True])
def test_a_loop_that_is_taken_apart_while_others_use_it(recorded: bool) -> None:
    class Keeping(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

    def leave() -> None:
        loop: Any = fournil.EventLoop()

        async def main() -> list[Any]:
            server = await loop.create_server(Keeping, "127.0.0.1", 0)
            one, other = socket.socketpair()
            one.setblocking(False)
            receiving = loop.create_task(loop.sock_recv(one, 1))
            await asyncio.sleep(0)
            connection = await loop.create_connection(Keeping, *server.sockets[0].getsockname())
            return [server, *connection, other, receiving]

        things = loop.run_until_complete(main())
        things += [loop.call_later(1000, int), loop.call_soon(int), loop]
        # In both orders: what is cleared first depends on where it is.
        loop.first, loop.last = Late(*things), Late(*reversed(things))
        things.append(things)

    with fournil.Recorder(watch=False) if recorded else contextlib.nullcontext():
        leave()
        gc.collect()
