"""What Ctrl-C, SIGTERM and SIGHUP do to the command itself: it tidies up and ends by them."""

from __future__ import annotations

import signal
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal told this process to end. Its number is also the wait status of such an end.

    Not a KeyboardInterrupt, of which click makes an exit with status 1.
    """

    def __init__(self, number: int) -> None:
        self.number = number


def install() -> None:
    """Raise Interrupted in the main thread at the first of these signals; ignored ones stay so."""
    for number in _not_ignored():
        signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    # Who cannot wait until all is tidied up ends it by a second one.
    for each in _not_ignored():
        signal.signal(each, signal.SIG_DFL)
    raise Interrupted(number)


def _not_ignored() -> list[signal.Signals]:
    return [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
