"""Log records on their way to the parent, whose handlers they are for.

A record's text, its logger and where it was made are plain, and arrive whatever happens. What a
program adds to its records may be anything: each such part is packed by itself, and one that
cannot travel is left out by name.
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable, Mapping

from fournil._worker.handlers import pass_on
from fournil._worker.naming import described
from fournil._worker.pickling.packing import PLAIN, pack
from fournil._worker.wire import LARGEST

Sent = tuple[dict[str, object], dict[str, tuple[bytes, list[bytes]]], dict[str, str]]
"""A record: its plain fields, others as they were packed, and why others could not be."""

LONGEST = (LARGEST // 8, 250)
"""The most characters of a field, of a record that is too long; and if that is too long still."""

TOO_LONG = "the record is too long"

STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None)))
"""Fields that all records have."""


class ToParent(logging.Handler):
    """Handler that sends to the parent what is logged here.

    Args:
        send: takes a packed record, in the thread that logs; returns False where the parent takes
            no more, or has to do with another process.
    """

    def __init__(self, send: Callable[[bytes], bool]) -> None:
        super().__init__()
        self.send = send

    def emit(self, record: logging.LogRecord) -> None:
        try:
            body = packed(fields_of(record))
        except Exception:
            self.handleError(record)
            return
        last = logging.lastResort
        if not self.send(body) and last is not None and record.levelno >= last.level:
            last.handle(record)


def fields_of(record: logging.LogRecord) -> dict[str, object]:
    """Return a record as what can be pickled: its message made, its traceback written down."""
    fields = dict(vars(record))
    fields["msg"] = str.__str__(record.getMessage())
    fields["args"] = None
    if record.exc_info:
        fields["exc_text"] = record.exc_text or _traceback_of(record)
        fields["exc_info"] = None
    return fields


def _traceback_of(record: logging.LogRecord) -> str:
    assert record.exc_info is not None
    try:
        return logging.Formatter().formatException(record.exc_info)
    except BaseException as why:
        pass_on(why)
        return f"(its traceback cannot be written down: {described(why)})"


def packed(fields: Mapping[str, object]) -> bytes:
    """Return a record's fields as bytes."""
    plain: dict[str, object] = {}
    others: dict[str, tuple[bytes, list[bytes]]] = {}
    left_out: dict[str, str] = {}
    for name, value in fields.items():
        if type(name) is not str:
            continue  # nobody could ask for it
        if type(value) in PLAIN:
            plain[name] = value
            continue
        try:
            body, buffers = pack(value)
            others[name] = body, [bytes(buffer) for buffer in buffers]
        except BaseException as why:
            pass_on(why)
            left_out[name] = described(why)
    whole = pickle.dumps((plain, others, left_out), 5)
    for most in LONGEST:
        if len(whole) <= LARGEST:
            break
        whole = pickle.dumps(_cut(plain, {**dict.fromkeys(others, TOO_LONG), **left_out}, most), 5)
    return whole


def _cut(plain: dict[str, object], left_out: dict[str, str], most: int) -> Sent:
    """Return a record whose fields have no more characters, without what is not a record's own."""
    kept = {name: value for name, value in plain.items() if name in STANDARD}
    for name, value in kept.items():
        if isinstance(value, str) and len(value) > most:
            # A traceback says last what happened.
            kept[name] = value[-most:] if name == "exc_text" else value[:most]
    left_out = {**{name: TOO_LONG for name in plain if name not in kept}, **left_out}
    return kept, {}, {name[:100]: why[:200] for name, why in list(left_out.items())[:10]}


def levels() -> dict[str, int]:
    """Return the levels that were set, by logger; that of the root is called ''."""
    found = {"": logging.getLogger().level}
    for name, logger in list(logging.Logger.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger) and logger.level:
            found[name] = logger.level
    return found


def install(send: Callable[[bytes], bool], levels: Mapping[str, int]) -> None:
    """Have all that is logged here sent to the parent, which said from which levels on."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
    root.addHandler(ToParent(send))
    root.setLevel(levels.get("", logging.WARNING))
    _set_levels({name: level for name, level in levels.items() if name})


def _set_levels(levels: dict[str, int]) -> None:
    """Give loggers their levels; those that are not there, when somebody makes them.

    Whoever makes a logger says of which class it is, and may count on that.
    """
    manager = logging.Logger.manager
    make = manager.getLogger

    def get_logger(name: str) -> logging.Logger:
        logger = make(name)
        if name in levels:
            logger.setLevel(levels.pop(name))
        return logger

    manager.getLogger = get_logger  # type: ignore[method-assign]
    for name in list(levels):
        if isinstance(manager.loggerDict.get(name), logging.Logger):
            get_logger(name)
