"""A busy loop still serves descriptors, timers and threads."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections import Counter
from typing import Any

import fournil
from tests.contract.loops import Loop, run_turn

# A busy loop looks at the kernel and its timers every now and then, not in each turn. Far
# more turns than lie between two looks.
MANY_TURNS = 100_000


class Spinner:
    """Keeps a loop busy until something happens, or far too many turns went by."""

    def __init__(self, loop: Loop, callbacks: int = 1) -> None:
        self.loop = loop
        self.turns = 0
        self.done = False
        for _ in range(callbacks):
            loop.call_soon(self.spin)

    def spin(self) -> None:
        self.turns += 1
        if self.done or self.turns > MANY_TURNS:
            self.loop.stop()
        else:
            self.loop.call_soon(self.spin)

    def finish(self) -> None:
        self.done = True

    def run(self) -> None:
        self.loop.run_forever()
        assert self.done


def test_a_reader(loop: Loop, pipe: tuple[int, int]) -> None:
    spinner = Spinner(loop)
    loop.add_reader(pipe[0], spinner.finish)
    loop.call_later(0, os.write, pipe[1], b"x")
    spinner.run()
    loop.remove_reader(pipe[0])


def test_a_reader_among_many_callbacks(loop: Loop, pipe: tuple[int, int]) -> None:
    spinner = Spinner(loop, callbacks=50)
    loop.add_reader(pipe[0], spinner.finish)
    os.write(pipe[1], b"x")
    spinner.run()
    loop.remove_reader(pipe[0])


def test_a_timer(loop: Loop) -> None:
    spinner = Spinner(loop)
    loop.call_later(0.001, spinner.finish)
    spinner.run()


def test_a_thread(loop: Loop) -> None:
    spinner = Spinner(loop)
    thread = threading.Thread(target=loop.call_soon_threadsafe, args=(spinner.finish,))
    loop.call_soon(thread.start)
    spinner.run()
    thread.join()


def test_a_busy_reader_does_not_starve_callbacks(loop: Loop, pipe: tuple[int, int]) -> None:
    # This descriptor is always ready.
    os.write(pipe[1], b"x")
    ran: list[str] = []
    loop.add_reader(pipe[0], ran.append, "reader")
    loop.call_soon(lambda: loop.call_soon(lambda: loop.call_soon(loop.stop)))
    loop.run_forever()
    loop.remove_reader(pipe[0])
    assert len(ran) <= 4


def test_busy_timers_do_not_starve_callbacks(loop: Loop) -> None:
    ran: list[str] = []

    def again() -> None:
        ran.append("timer")
        loop.call_later(0, again)

    loop.call_later(0, again)
    loop.call_soon(lambda: loop.call_soon(lambda: loop.call_soon(loop.stop)))
    loop.run_forever()
    assert len(ran) <= 4


def test_tasks_take_turns(loop: Loop) -> None:
    order: list[int] = []

    async def work(number: int) -> None:
        for _ in range(100):
            order.append(number)
            await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(*(work(n) for n in range(10)))

    loop.run_until_complete(main())
    assert order == list(range(10)) * 100


def test_sockets_are_served_alike(loop: Loop) -> None:
    served = [0] * 20

    async def serve(number: int, end: socket.socket) -> None:
        while await loop.sock_recv(end, 1):
            served[number] += 1

    async def main() -> None:
        pairs = [socket.socketpair() for _ in served]
        for one, other in pairs:
            one.setblocking(False)
            other.send(b"x" * 100)
        tasks = [loop.create_task(serve(n, one)) for n, (one, _) in enumerate(pairs)]
        while min(served) < 100:
            await asyncio.sleep(0)
        for _, other in pairs:
            other.close()
        await asyncio.gather(*tasks)
        for one, _ in pairs:
            one.close()

    loop.run_until_complete(main())
    assert served == [100] * 20


def burn() -> None:
    """Take longer than a busy loop may leave the kernel alone."""
    until = time.perf_counter() + 0.000_2
    while time.perf_counter() < until:
        pass


def test_what_has_come_is_served_in_the_turn_after_a_long_one(
    loop: Loop, pipe: tuple[int, int]
) -> None:
    ran: list[str] = []

    def step() -> None:
        # One of these is always ready.
        ran.append("callback")
        burn()
        loop.call_soon(step if len(ran) < 10 else loop.stop)

    def begin() -> None:
        os.write(pipe[1], b"x")
        loop.call_at(loop.time(), ran.append, "timer")
        step()

    def read() -> None:
        ran.append("reader")
        loop.remove_reader(pipe[0])

    loop.add_reader(pipe[0], read)
    loop.call_soon(begin)
    loop.run_forever()
    # Both were made ready by the look before the second turn, behind its callback.
    assert ran.index("reader") <= 3
    assert ran.index("timer") <= 3


class Always(asyncio.Protocol):
    """Sends back what it receives: between two of these, there is always something to receive."""

    def __init__(self, ran: list[str]) -> None:
        self.ran = ran

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self.ran.append("data")
        self.transport.write(data)


def turns_meanwhile(loop: Loop, ran: list[str], count: int) -> int:
    """Return in how many turns a flood put `count` entries into a list."""

    async def main() -> int:
        turns = 0
        while len(ran) < count:
            await asyncio.sleep(0)
            turns += 1
        return turns

    return loop.run_until_complete(main())


def test_a_flood_of_streams_does_not_starve_callbacks(
    loop: Loop, pair: tuple[socket.socket, socket.socket]
) -> None:
    ran: list[str] = []

    async def begin() -> list[Any]:
        return [(await loop.create_connection(lambda: Always(ran), sock=end))[0] for end in pair]

    transports = loop.run_until_complete(begin())
    transports[0].write(b"x")
    # Each turn takes up at most one read of each.
    assert turns_meanwhile(loop, ran, 1000) >= 1000 // 2 - 2
    for transport in transports:
        transport.abort()
    loop.run_until_complete(asyncio.sleep(0))


def test_a_flood_of_connections_does_not_starve_callbacks(loop: Loop) -> None:
    ran: list[str] = []

    class Slow(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            transport.abort()  # type: ignore[attr-defined]

    def make() -> Slow:
        ran.append("made")
        burn()
        return Slow()

    async def begin() -> asyncio.Server:
        return await loop.create_server(make, "127.0.0.1", 0, backlog=100)

    server = loop.run_until_complete(begin())
    address = server.sockets[0].getsockname()
    clients = [socket.create_connection(address) for _ in range(50)]
    turns = turns_meanwhile(loop, ran, len(clients))
    if isinstance(loop, fournil.EventLoop):
        # asyncio accepts as many as its backlog in one turn.
        assert turns >= len(clients) - 1
    server.close()
    loop.run_until_complete(server.wait_closed())
    for client in clients:
        client.close()


def test_a_flood_of_descriptors_leaves_out_none(loop: Loop, pipe: tuple[int, int]) -> None:
    served: Counter[int] = Counter()
    os.write(pipe[1], b"x")  # all of these can always be read
    copies = [os.dup(pipe[0]) for _ in range(600)]
    for copy in copies:
        loop.add_reader(copy, served.update, [copy])
    for _ in range(6):
        burn()
        run_turn(loop)
    for copy in copies:
        loop.remove_reader(copy)
        os.close(copy)
    # They take turns, also where one look at the kernel does not bring them all.
    assert set(served) == set(copies)
    assert max(served.values()) <= min(served.values()) + 1
