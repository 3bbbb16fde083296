"""Connections of each kind, to which everything happens at once, in an order that a seed decides.

`python -m tests.native.chaos SEED [SECONDS]` goes on for so long (1 s), with new seeds. It asserts
little: what it is for are the sanitizers, and the crashes that they would find.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import random
import socket
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fournil
from tests.contract.tls import client_context, server_context

CLIENT, SERVER = client_context(), server_context()


class ChaosError(Exception):
    """What callbacks raise now and then."""


class Chaos:
    """One run: the loop, what lives on it, and what happens next."""

    def __init__(self, seed: int, folder: str) -> None:
        self.random = random.Random(seed)
        self.folder = folder
        self.loop: Any = asyncio.get_running_loop()
        self.ends: list[Any] = []
        self.tasks: list[asyncio.Task[Any]] = []
        self.servers: list[Any] = []
        self.addresses: list[tuple[Any, bool]] = []
        self.kept: list[Any] = []

    def maybe(self, chance: float) -> bool:
        return self.random.random() < chance

    def size(self) -> int:
        return self.random.choice([0, 1, 10, 1000, 20_000, 70_000, 500_000])

    async def serve(self) -> None:
        """Open a server of each kind."""
        for secure in (False, True):
            for path in (None, f"{self.folder}/socket-{secure}"):
                options: dict[str, Any] = {"ssl": SERVER} if secure else {}
                if path is None:
                    server = await self.loop.create_server(self.protocol, "127.0.0.1", 0, **options)
                    address = server.sockets[0].getsockname()
                else:
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(path)
                    server = await self.loop.create_unix_server(self.protocol, path, **options)
                    address = path
                self.servers.append(server)
                self.addresses.append((address, secure))

    def protocol(self) -> asyncio.BaseProtocol:
        return self.random.choice([Plain, Plain, Buffered, streams])(self)

    async def connect(self) -> None:
        address, secure = self.random.choice(self.addresses)
        options: dict[str, Any] = {}
        if secure and self.maybe(0.9):
            options = {"ssl": CLIENT, "server_hostname": "localhost"}
        if isinstance(address, str):
            await self.loop.create_unix_connection(self.protocol, address, **options)
        else:
            await self.loop.create_connection(self.protocol, *address, **options)

    async def upgrade(self, end: Any) -> None:
        """Begin TLS over a connection, with whatever is under way there."""
        server_side = self.maybe(0.5)
        context, name = (SERVER, None) if server_side else (CLIENT, "localhost")
        end.transport = await self.loop.start_tls(
            end.transport,
            end,
            context,
            server_side=server_side,
            server_hostname=name,
            ssl_handshake_timeout=self.random.choice([0.001, 0.05, 1]),
        )

    async def upgrade_both(self) -> None:
        """Begin TLS over a pair of sockets, at both ends at about the same time."""
        one, other = socket.socketpair()
        ends = [Plain(self), Buffered(self)]
        for end, sock in zip(ends, (one, other), strict=True):
            sock.setblocking(False)
            await self.loop.create_connection(lambda end=end: end, sock=sock)
        ends[0].transport.write(b"in the clear")
        await asyncio.gather(
            self.loop.start_tls(ends[0].transport, ends[0], SERVER, server_side=True),
            self.loop.start_tls(ends[1].transport, ends[1], CLIENT, server_hostname="localhost"),
            return_exceptions=True,
        )

    async def operate(self) -> None:
        """Use socket objects by the loop's methods, and close them meanwhile."""
        one, other = socket.socketpair()
        one.setblocking(False)
        other.setblocking(False)
        with one, other:
            receiving = self.loop.create_task(self.loop.sock_recv(one, 100_000))
            sending = self.loop.create_task(self.loop.sock_sendall(other, bytes(self.size())))
            into = self.loop.create_task(self.loop.sock_recv_into(other, bytearray(100)))
            for task in self.random.sample([receiving, sending, into], 3):
                self.random.choice([task.cancel, one.close, lambda: one.send(b"x"), int])()
                await asyncio.sleep(self.random.choice([0, 0, 0.0005]))
            for task in (receiving, sending, into):
                task.cancel()

    async def send_datagrams(self) -> None:
        act = self.act

        class Datagrams(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: Any) -> None:
                act(None)

        transport, _ = await self.loop.create_datagram_endpoint(
            Datagrams, local_addr=("127.0.0.1", 0)
        )
        address = transport.get_extra_info("sockname")
        for _ in range(self.random.randrange(20)):
            transport.sendto(bytes(self.random.choice([0, 1, 1000, 60_000])), address)
        await asyncio.sleep(0)
        self.random.choice([transport.close, transport.abort, int])()

    # What happens: each is called with an end of a connection, or None.

    def write(self, end: Any) -> None:
        data = bytes(self.size())
        end.transport.write(self.random.choice([bytes, bytearray, memoryview])(data))

    def write_lines(self, end: Any) -> None:
        end.transport.writelines([bytes(self.size()) for _ in range(self.random.randrange(80))])

    def write_eof(self, end: Any) -> None:
        end.transport.write_eof()

    def pause(self, end: Any) -> None:
        end.transport.pause_reading()

    def resume(self, end: Any) -> None:
        end.transport.resume_reading()

    def close(self, end: Any) -> None:
        end.transport.close()

    def abort(self, end: Any) -> None:
        end.transport.abort()

    def limit(self, end: Any) -> None:
        end.transport.set_write_buffer_limits(self.random.choice([0, 10, 100_000]))

    def swap(self, end: Any) -> None:
        end.transport.set_protocol(self.protocol())

    def close_behind(self, end: Any) -> None:
        sock = end.transport.get_extra_info("socket")
        self.random.choice([sock._sock.close, sock._sock.detach, int])()

    def begin_tls(self, end: Any) -> None:
        self.start(self.upgrade(end))

    def forget(self, end: Any) -> None:
        self.ends.remove(end)

    def collect(self, end: Any) -> None:
        gc.collect(self.random.randrange(3))

    def cancel(self, end: Any) -> None:
        if self.tasks:
            self.random.choice(self.tasks).cancel()

    def schedule(self, end: Any) -> None:
        when = self.random.choice([0, 0.0001, 0.001, 10])
        handle = self.loop.call_later(when, self.act, end)
        self.kept.append(handle)
        if len(self.kept) > 20:
            self.kept.pop(self.random.randrange(20)).cancel()

    def call_from_a_thread(self, end: Any) -> None:
        thread = threading.Thread(target=self.loop.call_soon_threadsafe, args=(self.act, end))
        thread.start()
        thread.join()

    def block(self, end: Any) -> None:
        time.sleep(self.random.choice([0.0001, 0.003]))

    def fail(self, end: Any) -> None:
        raise ChaosError

    ALWAYS = (collect, cancel, schedule, call_from_a_thread, block, fail)
    OF_AN_END = (
        *(write, write, write, write_lines, write_eof, pause, resume, resume, close, abort),
        *(limit, swap, close_behind, begin_tls, forget, *ALWAYS),
    )

    def act(self, end: Any) -> None:
        """Have something happen, if anything."""
        if self.maybe(0.6):
            return
        if end is None and self.ends:
            end = self.random.choice(self.ends)
        deed: Callable[..., None] = self.random.choice(
            self.ALWAYS if end is None or end.transport is None else self.OF_AN_END
        )
        try:
            deed(self, end)
        except ChaosError:
            raise
        except Exception:
            pass  # not now, or not of such a connection

    def start(self, coroutine: Any) -> None:
        self.tasks = [task for task in self.tasks if not task.done()]
        self.tasks.append(self.loop.create_task(coroutine))

    async def go_on(self, seconds: float) -> None:
        await self.serve()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if len(self.tasks) < 30:
                self.start(
                    self.random.choice(
                        [self.connect, self.connect, self.upgrade_both, self.operate]
                        + [self.send_datagrams] * self.maybe(0.2)
                    )()
                )
            with contextlib.suppress(ChaosError):
                self.act(None)
            await asyncio.sleep(self.random.choice([0, 0, 0, 0.0005]))
        for server in self.servers:
            server.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


class Plain(asyncio.Protocol):
    """An end of a connection to whose events anything may happen."""

    transport: Any = None

    def __init__(self, chaos: Chaos) -> None:
        self.chaos = chaos

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.chaos.ends.append(self)
        if len(self.chaos.ends) > 40:
            self.chaos.ends.pop(0)
        self.chaos.act(self)

    def data_received(self, data: bytes) -> None:
        self.chaos.act(self)

    def eof_received(self) -> bool:
        self.chaos.act(self)
        return self.chaos.maybe(0.5)

    def pause_writing(self) -> None:
        self.chaos.act(self)

    def resume_writing(self) -> None:
        self.chaos.act(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        with contextlib.suppress(ValueError):
            self.chaos.ends.remove(self)
        self.chaos.act(None)


class Buffered(Plain, asyncio.BufferedProtocol):
    """The same, which receives into buffers of its own."""

    def get_buffer(self, sizehint: int) -> bytearray:
        self.chaos.act(self)
        return bytearray(self.chaos.random.choice([1, 100, 70_000]))

    def buffer_updated(self, nbytes: int) -> None:
        self.chaos.act(self)


def streams(chaos: Chaos) -> asyncio.StreamReaderProtocol:
    """Return the protocol of a stream that a task reads and writes."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(Exception):
            ways: list[Callable[[], Any]] = [
                reader.readline, lambda: reader.read(1000), lambda: reader.readexactly(100)
            ]  # fmt: skip
            while data := await chaos.random.choice(ways)():
                writer.write(data)
                await writer.drain()
                chaos.act(None)
        if chaos.maybe(0.7):
            writer.close()

    reader = asyncio.StreamReader(loop=chaos.loop)
    return asyncio.StreamReaderProtocol(reader, echo, loop=chaos.loop)


@contextlib.contextmanager
def recorded(random_: random.Random, folder: str) -> Iterator[None]:
    """Record most runs, some from the middle on or not to the end."""
    recorder = fournil.Recorder(Path(folder) / "recording", threshold=0.001, size=4 << 20)
    if random_.random() < 0.8:
        recorder.start()
    try:
        yield
    finally:
        recorder.stop()


def run(seed: int, seconds: float) -> None:
    """Go on with one seed for a while, on a loop that is closed at the end, or is not."""
    random_ = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder, recorded(random_, folder):

        async def main() -> None:
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda loop, context: None)
            loop.set_debug(random_.random() < 0.1)
            await Chaos(seed, folder).go_on(seconds)

        if random_.random() < 0.7:
            fournil.run(main())
        else:
            left: Any = fournil.EventLoop()
            left.run_until_complete(main())
            del left
        gc.collect()


def main() -> None:
    seed = int(sys.argv[1])
    until = time.monotonic() + (float(sys.argv[2]) if len(sys.argv) > 2 else 1)
    warnings.simplefilter("ignore")
    while True:
        print(seed, flush=True)
        run(seed, 0.5)
        if time.monotonic() >= until:
            break
        seed += 1
    print("survived")


if __name__ == "__main__":
    main()
