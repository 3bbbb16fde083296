"""The bakery's service: HTTP on loopback, one request after the other on each connection.

It prints its port, and ends when it has served as many orders as it was told to.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any

import web

import fournil

STATIONS = ("price", "dough", "oven", "label")
"""What an order needs, each by a request of its own: `GET /price/17`."""


class Service:
    """Serves orders, then stops.

    Args:
        kitchen: has a coroutine function for each station, which takes an order's number.
        orders: how many orders to serve.
    """

    def __init__(self, kitchen: Any, orders: int) -> None:
        self.stations: dict[str, Callable[[int], Awaitable[Any]]] = {
            name: getattr(kitchen, name) for name in STATIONS
        }
        self.to_serve = orders * len(STATIONS)
        self.customers = 0
        self.closed = asyncio.Event()

    async def run(self) -> None:
        # Left by `async with`, a server waits for its customers to leave, also after a Ctrl-C.
        with contextlib.closing(await asyncio.start_server(self.serve, web.HOST, 0)) as server:
            print(server.sockets[0].getsockname()[1], flush=True)
            await self.closed.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.customers += 1
        # CPython 3.11 reports a cancelled handler as an error, with a traceback. A customer may
        # leave before the answer, and ask when the kitchen has closed already.
        left = asyncio.CancelledError, ConnectionError, fournil.PoolClosedError
        with contextlib.closing(writer), contextlib.suppress(*left):
            while (path := await web.read_request(reader)) is not None:
                _, station, order = path.split("/")
                await web.answer(writer, await self.stations[station](int(order)))
                self.to_serve -= 1
        self.customers -= 1
        if not self.customers and self.to_serve <= 0:
            self.closed.set()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kitchen", choices=["blocking", "mended"])
    parser.add_argument("--supplier", type=int, required=True, help="its port")
    parser.add_argument("--orders", type=int, required=True, help="how many to serve")
    given = parser.parse_args()

    # Made here, it imports what it needs before there is a loop to be blocked.
    made = import_module(given.kitchen).Kitchen(given.supplier)

    async def serve() -> None:
        async with made as kitchen:
            await Service(kitchen, given.orders).run()

    asyncio.run(serve())


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
