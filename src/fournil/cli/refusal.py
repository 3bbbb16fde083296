"""What the commands themselves say, and what they say of input that they cannot use."""

from __future__ import annotations

import contextlib
import sys


class Refusal(Exception):  # noqa: N818 - an answer, and no error of ours
    """Bad input: nothing was done; the text says why."""

    exit_code = 2


def say(text: str) -> None:
    """Say something on standard error, where there is one."""
    # To print to None would print to standard output.
    if sys.stderr is not None:
        with contextlib.suppress(OSError):  # the terminal may be gone
            print(f"fournil: {text}", file=sys.stderr, flush=True)
