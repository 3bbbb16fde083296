"""Log records on their way to the parent, whose handlers they are for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping


class ToParent(logging.Handler):
    """Sends what is logged here to the parent.

    Args:
        send: takes a record as the fields of one; called in the thread that logs.
    """

    def __init__(self, send: Callable[[dict[str, object]], None]) -> None:
        super().__init__()
        self.send = send

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.send(fields_of(record))
        except Exception:
            self.handleError(record)


def fields_of(record: logging.LogRecord) -> dict[str, object]:
    """Return a record as what can be pickled: its message made, its traceback written down."""
    fields = dict(vars(record))
    fields["msg"] = record.getMessage()
    fields["args"] = None
    if record.exc_info:
        fields["exc_text"] = record.exc_text or logging.Formatter().formatException(record.exc_info)
        fields["exc_info"] = None
    return fields


def levels() -> dict[str, int]:
    """Return the levels that were set, by logger; that of the root is called ''."""
    found = {"": logging.getLogger().level}
    for name, logger in list(logging.Logger.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger) and logger.level:
            found[name] = logger.level
    return found


def install(send: Callable[[dict[str, object]], None], levels: Mapping[str, int]) -> None:
    """Have all that is logged here sent to the parent, which said from which levels on."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
    root.addHandler(ToParent(send))
    for name, level in levels.items():
        logging.getLogger(name or None).setLevel(level)
