"""A soak: connections that are opened, used and ended at random, with all that arrives checked.

For longer than the test suite has: `python -m tests.contract.soak --seconds 600`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import random
import resource
import socket
import sys
import time
import weakref
from typing import Any

import fournil
from tests.contract.connections import drain, look, reset, tcp_pair, unix_pair
from tests.contract.loops import Reports

BLOCK = random.Random(1).randbytes(10_007)
"""What each end sends again and again, from a place of its own on."""

LARGEST = 300_000
STREAM = BLOCK * (LARGEST // len(BLOCK) + 2)
SIZES = [0, 1, 100, 5000, 16_384, 65_536, LARGEST]


class Soak:
    """The connections of one run, and what was done to them."""

    def __init__(self, seed: int, connections: int = 30) -> None:
        self.rng = random.Random(seed)
        self.connections = connections
        self.ends: weakref.WeakSet[End] = weakref.WeakSet()
        self.open: list[End] = []
        self.done: dict[str, int] = {}
        self.received = 0

    def count(self, name: str) -> None:
        self.done[name] = self.done.get(name, 0) + 1

    async def run(self, actions: int | None, seconds: float | None = None) -> None:
        """Act at random, so often or for so long; then end all connections."""
        loop = asyncio.get_running_loop()
        until = None if seconds is None else time.monotonic() + seconds
        server = await loop.create_server(lambda: End(self, 1), "127.0.0.1", 0)
        async with server:
            address = server.sockets[0].getsockname()
            number = 0
            while (actions is None or number < actions) and (
                until is None or time.monotonic() < until
            ):
                number += 1
                if len(self.open) < self.connections and self.rng.random() < 0.3:
                    await self.connect(address)
                if self.open:
                    self.rng.choice(self.open).act()
                if self.rng.random() < 0.2:
                    await (look() if self.rng.random() < 0.2 else asyncio.sleep(0))
            for end in list(self.open):
                end.cut = True
                end.transport.abort()
            while self.open:
                await look()
        with contextlib.suppress(AttributeError):
            await server.wait_closed()

    async def connect(self, address: Any) -> None:
        loop = asyncio.get_running_loop()
        way = self.rng.choice(["tcp", "unix", "server", "plain"])
        self.count(way)
        if way == "server":
            await loop.create_connection(lambda: End(self, 0), *address)
        elif way == "plain":
            # A peer that is no transport, and is gone at once, with what was sent to it or not.
            one, other = tcp_pair()
            await loop.create_connection(lambda: End(self, 0), sock=one)
            if self.rng.random() < 0.5:
                await look()
                drain(other)
            if self.rng.random() < 0.5:
                reset(other)
            else:
                other.close()
        else:
            socks = tcp_pair() if way == "tcp" else unix_pair()
            ends = [End(self, number) for number in range(2)]
            ends[0].peer, ends[1].peer = ends[1], ends[0]
            for end, sock in zip(ends, socks, strict=True):
                await loop.create_connection(end.itself, sock=sock)


class End(asyncio.Protocol):
    """One end of a connection: sends its stream, checks that of its peer."""

    transport: Any

    def __init__(self, soak: Soak, number: int) -> None:
        self.soak = soak
        self.number = number
        self.loop = asyncio.get_running_loop()
        self.peer: End | None = None
        self.written = 0
        self.got = 0
        self.ended = False  # what was written is all
        self.cut = False  # what was written may not arrive
        self.events: list[str] = []
        soak.ends.add(self)

    def itself(self) -> End:
        return self

    def place(self, position: int, number: int) -> int:
        return (position + 5003 * number) % len(BLOCK)

    # What may happen to it.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert self.events == []
        self.events.append("made")
        self.transport = transport
        self.soak.open.append(self)

    def data_received(self, data: bytes) -> None:
        assert self.events[-1] == "made", self.events
        begin = self.place(self.got, 1 - self.number)
        assert data == STREAM[begin : begin + len(data)], (self.got, len(data))
        self.got += len(data)
        self.soak.received += len(data)
        if self.soak.rng.random() < 0.02:
            self.act()

    def eof_received(self) -> bool:
        if self.events == ["made", "eof"] and not isinstance(self.loop, fournil.EventLoop):
            return True  # asyncio tells it again when reading is resumed
        assert self.events == ["made"], self.events
        self.events.append("eof")
        if self.peer is not None and self.peer.ended and not self.peer.cut:
            self.soak.count("whole")
            assert self.got == self.peer.written, (self.got, self.peer.written)
        keeps_open = self.soak.rng.random() < 0.5
        if not keeps_open:
            self.ended = True
        return keeps_open

    def pause_writing(self) -> None:
        self.soak.count("pause_writing")
        if self.soak.rng.random() < 0.05:
            self.act()

    def resume_writing(self) -> None:
        self.soak.count("resume_writing")

    def connection_lost(self, error: Exception | None) -> None:
        assert "made" in self.events
        assert "lost" not in self.events
        assert error is None or isinstance(error, ConnectionError), error
        self.events.append("lost")
        self.soak.count("lost" if error is None else "lost by an error")
        if error is not None:
            self.cut = True
        self.soak.open.remove(self)
        self.transport.close()
        self.transport.resume_reading()

    # What it does.

    def act(self) -> None:
        name = self.soak.rng.choices(
            [
                "write",
                "lines",
                "pause",
                "resume",
                "limits",
                "info",
                "end",
                "close",
                "abort",
                "reset",
            ],
            [40, 10, 6, 12, 2, 2, 1, 2, 1, 1],
        )[0]
        self.soak.count(name)
        getattr(self, name)()

    def next(self, most: int) -> bytes:
        size = min(self.soak.rng.choice(SIZES), most)
        begin = self.place(self.written, self.number)
        self.written += size
        return STREAM[begin : begin + size]

    def may_write(self) -> bool:
        return not self.ended and self.transport.get_write_buffer_size() < 2_000_000

    def write(self) -> None:
        if self.may_write():
            kind: Any = self.soak.rng.choice([bytes, bytearray, memoryview])
            self.transport.write(kind(self.next(LARGEST)))

    def lines(self) -> None:
        if self.may_write():
            count = self.soak.rng.choice([0, 1, 3, 100])
            self.transport.writelines([self.next(5000) for _ in range(count)])

    def pause(self) -> None:
        self.transport.pause_reading()

    def resume(self) -> None:
        self.transport.resume_reading()

    def limits(self) -> None:
        self.transport.set_write_buffer_limits(high=self.soak.rng.choice([0, 1000, 65536]))

    def info(self) -> None:
        sock = self.transport.get_extra_info("socket")
        assert sock.fileno() >= 0
        assert repr(self.transport)

    def end(self) -> None:
        self.ended = True
        with contextlib.suppress(OSError):  # its peer reset it already
            self.transport.write_eof()

    def close(self) -> None:
        self.ended = True
        self.transport.close()

    def abort(self) -> None:
        self.ended = self.cut = True
        self.transport.abort()

    def reset(self) -> None:
        linger = b"\1\0\0\0\0\0\0\0"
        sock = self.transport.get_extra_info("socket")
        if sock.family == socket.AF_INET:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.abort()


def run(loop: asyncio.AbstractEventLoop, soak: Soak, **limits: Any) -> None:
    """Run a soak; what failed in a callback fails it."""
    loop.set_exception_handler(reports := Reports())
    try:
        loop.run_until_complete(soak.run(**limits))
    finally:
        assert reports == [], reports[0]
    gc.collect()
    assert len(soak.ends) == 0, "protocols of lost connections are kept"


def resident() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4)))
    options = parser.parse_args()
    end = time.monotonic() + options.seconds
    seed = options.seed
    loop = fournil.EventLoop()
    while time.monotonic() < end:
        soak = Soak(seed, connections=random.Random(seed).choice([2, 30, 200]))
        run(loop, soak, actions=None, seconds=min(20, options.seconds))
        fds = len(os.listdir("/proc/self/fd"))
        print(
            f"seed {seed}: {resident() >> 20} MiB, {fds} descriptors,"
            f" {soak.received >> 20} MiB received, {soak.done}",
            file=sys.stderr,
            flush=True,
        )
        seed += 1
    loop.close()


if __name__ == "__main__":
    main()
