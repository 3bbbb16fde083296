"""A program that calls each method of the native objects with nonsense, and replaces what it can.

What it does may raise anything, and may leave the loop useless: what waits for ever is interrupted
by an alarm; the interpreter goes on. Called by tests with a seed; prints what it last did, since
after a crash nothing else tells.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import signal
import socket
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import fournil
from tests.contract.tls import client_context, server_context

NONSENSE: list[Callable[[], Any]] = [
    lambda: None,
    lambda: -1,
    lambda: 0,
    lambda: 1 << 40,
    lambda: 1 << 80,
    lambda: float("nan"),
    lambda: "text",
    lambda: b"bytes",
    lambda: bytearray(10),
    lambda: memoryview(b"view"),
    lambda: (),
    lambda: [1, 2],
    lambda: {"a": 1},
    object,
    lambda: object,
    lambda: len,
    asyncio.Protocol,
    lambda: ValueError("nonsense"),
    socket.socket,
]

# They end the program, or wait, as they should; or they are everybody's.
LEFT_OUT = {
    "__class__", "__del__", "__delattr__", "__dir__", "__doc__", "__getattribute__", "__getstate__",
    "__init_subclass__", "__new__", "__setattr__", "__subclasshook__", "run_forever",
    "run_until_complete", "_look", "_run", "_run_once",
}  # fmt: skip


def of_fournil(thing: object) -> bool:
    return any(kind.__module__.startswith("fournil.") for kind in type(thing).__mro__)


def reachable(things: list[Any]) -> list[Any]:
    """Return the objects of ours that lead from these to others of ours."""
    found = {id(thing): thing for thing in things}
    todo = list(things)
    while todo:
        for thing in gc.get_referents(todo.pop()):
            if id(thing) not in found and of_fournil(thing):
                found[id(thing)] = thing
                todo.append(thing)
    return list(found.values())


@contextlib.contextmanager
def anything() -> Iterator[None]:
    with contextlib.suppress(BaseException), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class Doer:
    """Does one piece of nonsense after the other."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def nonsense(self) -> Any:
        return self.random.choice(NONSENSE)()

    def call(self, thing: Any) -> None:
        name = self.random.choice(dir(thing))
        if name in LEFT_OUT:
            return
        arguments = [self.nonsense() for _ in range(self.random.randrange(4))]
        print(type(thing).__name__, name, *map(type, arguments), file=sys.stderr, flush=True)
        with anything():
            result = getattr(thing, name)(*arguments)
            if asyncio.iscoroutine(result):
                result.close()

    def replace(self, thing: Any) -> None:
        name = self.random.choice(dir(thing))
        if name in LEFT_OUT:
            return
        print("set", type(thing).__name__, name, file=sys.stderr, flush=True)
        with anything():
            setattr(thing, name, self.nonsense())

    def make(self, thing: Any) -> None:
        print("make", type(thing).__name__, file=sys.stderr, flush=True)
        with anything():
            made = type(thing)(*[self.nonsense() for _ in range(self.random.randrange(4))])
            for _ in range(5):
                self.call(made)


def alone(doer: Doer, replaces: bool) -> None:
    """Do nonsense to a loop that does not run."""
    loop: Any = fournil.EventLoop()
    loop.call_later(1000, int)
    loop.call_soon(int)
    for _ in range(100):
        doer.random.choice([doer.call, doer.replace if replaces else doer.call])(loop)
    with anything():
        loop.close()


async def live(doer: Doer, secure: bool, replaces: bool) -> None:
    """Do nonsense to all that a connection in use consists of."""
    loop: Any = asyncio.get_running_loop()
    serving = loop.create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not serving.done():
            serving.set_result((reader, writer))
        with contextlib.suppress(Exception):
            while line := await reader.readline():
                writer.write(line)
                await writer.drain()

    server = await asyncio.start_server(
        serve, "127.0.0.1", 0, ssl=server_context() if secure else None
    )
    options = {"ssl": client_context(), "server_hostname": "localhost"} if secure else {}
    reader, writer = await asyncio.open_connection(
        *server.sockets[0].getsockname(),
        **options,  # type: ignore[arg-type]
    )
    writer.write(b"hello\n")
    await reader.readline()
    datagrams, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
    )
    one, other = socket.socketpair()
    one.setblocking(False)
    receiving = asyncio.ensure_future(loop.sock_recv(one, 10))
    await asyncio.sleep(0)
    ours, theirs = await serving
    things = reachable(
        [
            reader, writer, ours, theirs, datagrams, writer.transport, theirs.transport, server,
            loop.call_later(1000, int), loop.call_soon(int), loop.call_soon_threadsafe(int),
            receiving, loop.add_reader(other, int), loop._poller,
        ]
    )  # fmt: skip
    things = [thing for thing in things if of_fournil(thing) and thing is not loop]
    for _ in range(200):
        thing = doer.random.choice(things)
        doer.random.choice([doer.call, doer.replace if replaces else doer.call, doer.make])(thing)
        with anything():
            writer.write(b"more\n")
            other.send(b"x")
            await asyncio.sleep(0)


def interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def main() -> None:
    seed = int(sys.argv[1])
    replaces = seed % 3 != 0
    signal.signal(signal.SIGALRM, interrupt)
    with anything():
        try:
            signal.setitimer(signal.ITIMER_REAL, 20, 5)
            fournil.run(live(Doer(seed), seed % 2 == 0, replaces))
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    alone(Doer(seed), replaces)
    gc.collect()
    print("lives")


if __name__ == "__main__":
    main()
