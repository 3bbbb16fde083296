"""What the commands say about input that they cannot use."""

from __future__ import annotations

import sys
from typing import IO, Any

import click


class Refusal(click.ClickException):
    """Bad input: nothing was done; the text says why."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"fournil: {self.message}", file=file or sys.stderr)
