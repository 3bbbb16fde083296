"""The bakery's customers: all come at once, and each gives one order after the other."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import web
from service import STATIONS


async def visit(port: int, customers: int, orders: int) -> list[list[Any]]:
    """Return what the service at a port answers to some customers with some orders each."""
    visits = (visit_alone(port, customer, orders) for customer in range(customers))
    return list(await asyncio.gather(*visits))


async def visit_alone(port: int, customer: int, orders: int) -> list[Any]:
    reader, writer = await asyncio.open_connection(web.HOST, port)
    with contextlib.closing(writer):
        return [
            await web.ask(reader, writer, f"/{station}/{100 * customer + order}")
            for order in range(orders)
            for station in STATIONS
        ]
