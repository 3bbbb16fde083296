"""What the commands say about input that they cannot use."""

from __future__ import annotations


class Refusal(Exception):  # noqa: N818 - an answer, and no error of ours
    """Bad input: nothing was done; the text says why."""

    exit_code = 2
