"""Draws the report of a small program as a picture, for the README: from a real run of it.

`make picture` writes docs/report.svg anew.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from fournil.observe.report import publish, render
from fournil.observe.report.sections import lines_of
from fournil.observe.report.sheet import View

WIDTH = 100

PROGRAM = '''\
"""A shop that takes orders over TCP."""

import asyncio
import re
import time

LABEL = re.compile(r"(a+)+$")


def price(order: int) -> int:
    time.sleep(0.2)  # asks a slow supplier
    return order


def knead(order: int) -> int:
    return sum(number * number for number in range(1_500_000 + order))


def check(label: str) -> bool:
    return LABEL.match(label) is not None


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    order = int(await reader.readline())
    price(order)
    knead(order)
    check("a" * 23 + "!")
    writer.write(b"baked\\n")
    await writer.drain()
    writer.close()


async def customer(port: int, order: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"%d\\n" % order)
    await reader.read()
    writer.close()


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with asyncio.TaskGroup() as customers:
        for order in range(4):
            customers.create_task(customer(port, order))
    server.close()


asyncio.run(main())
'''


def main(path: Path) -> None:
    with TemporaryDirectory() as folder:
        Path(folder, "shop.py").write_text(PROGRAM)
        run = [sys.executable, "-m", "fournil", "run", "--no-report"]
        subprocess.run([*run, "--record", "r", "shop.py"], cwd=folder, check=True)
        os.chdir(folder)
        report = publish.load("r")
        lines = lines_of(report, View(WIDTH, folder, publish.source_line))
        os.chdir(path.parent)
    console = Console(
        record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(render.coloured(lines[1:-1]), end="")
    picture = console.export_svg(title="fournil run shop.py", unique_id="report")
    # The fonts of whoever looks: a picture should load nothing from elsewhere.
    path.write_text(re.sub(r"\s*@font-face \{.*?\}", "", picture, flags=re.DOTALL))


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
