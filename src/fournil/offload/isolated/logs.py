"""Log records of workers, handed to the handlers of this program.

All of it is code of the program: to unpickle what it added to a record, its filters and handlers.
What that raises is told, and costs that record alone.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import traceback
from typing import TYPE_CHECKING

from fournil._worker.handlers import pass_on
from fournil._worker.naming import described
from fournil._worker.pickling.packing import unpack

if TYPE_CHECKING:
    from fournil._worker.logs import Sent

MOST = 1000
"""So many fields are remembered that could not travel: of each it is told once."""

_told: set[tuple[str, str]] = set()


def handle(loop: asyncio.AbstractEventLoop, worker: str, body: memoryview) -> None:
    """Have a record of a worker handled here."""
    name = message = "?"
    try:
        sent: Sent = unpack(body, [])
        fields, others, left_out = sent
        name, message = str(fields.get("name", "root")), str(fields.get("msg"))
        for field, (packed, buffers) in others.items():
            try:
                fields[field] = unpack(packed, [memoryview(buffer) for buffer in buffers])
            except BaseException as why:
                pass_on(why)
                left_out[field] = described(why)
        level = fields.get("levelno", logging.NOTSET)
        logger = logging.getLogger(None if name == "root" else name)
        if type(level) is int and logger.isEnabledFor(level):
            logger.handle(logging.makeLogRecord(fields))
        _tell(worker, name, left_out)
    except BaseException as why:
        pass_on(why)
        _report(loop, f"a log record of {worker}, {message!r} of the logger {name!r}, is lost", why)


def _tell(worker: str, name: str, left_out: dict[str, str]) -> None:
    """Warn that parts of a record could not travel, once for each of a logger."""
    for field, why in left_out.items():
        if (name, field) in _told or len(_told) >= MOST:
            continue
        _told.add((name, field))
        logging.getLogger("fournil").warning(
            "log records of the logger %r come from %s without %r, which cannot travel between"
            " processes (%s)",
            name,
            worker,
            field,
            why,
        )


def _report(loop: asyncio.AbstractEventLoop, message: str, why: BaseException) -> None:
    try:
        loop.call_exception_handler({"message": message, "exception": why})
    except BaseException as other:
        pass_on(other)
        # asyncio's own handler logs, and so may raise what is being told here.
        print(message, file=sys.stderr)
        traceback.print_exception(why)
