"""`fournil report FILE`: the report of a recording, also of a program that was killed."""

from __future__ import annotations

import contextlib
import os
import sys

import click

from fournil.cli.options import package
from fournil.cli.refusal import Refusal
from fournil.errors import RecordingError

STANDARD_OUTPUT = "-"


@click.command()
@click.argument("file", metavar="FILE")
@click.option(
    "--json",
    "json_to",
    metavar="FILE",
    help="Write the report as JSON as well; - is stdout, and the text then goes to stderr.",
)
@click.option(
    "--mine",
    metavar="PACKAGE",
    multiple=True,
    help="An installed package that counts as your own code; may be given several times.",
)
def report(file: str, json_to: str | None, mine: tuple[str, ...]) -> None:
    """Print the report of the recording FILE.

    The program may have ended, been killed, or still be running.
    """
    from fournil.observe.report import publish

    try:
        packages = [package(name) for name in mine]
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--mine") from None
    try:
        found = publish.load(file, mine=packages)
    except RecordingError as error:
        from fournil.cli import hints

        raise Refusal("; ".join(filter(None, [str(error), hints.for_report(file)]))) from None
    to_terminal = sys.stderr if json_to == STANDARD_OUTPUT else sys.stdout
    try:
        if to_terminal is not None:  # it is closed
            publish.print_report(found, to_terminal)
            to_terminal.flush()
        if json_to is not None:
            publish.write_json(found, json_to)
            if json_to == STANDARD_OUTPUT:
                sys.stdout.flush()
    except BrokenPipeError:
        _write_no_more()
        sys.exit(1)  # whoever read it has enough
    except (OSError, ValueError) as error:
        _write_no_more()
        where = (
            f"{json_to}: cannot write the report there" if json_to else "cannot write the report"
        )
        raise Refusal(f"{where}: {getattr(error, 'strerror', None) or error}") from None


def _write_no_more() -> None:
    """Let go of what could not be written: the interpreter would try once more as it ends."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            try:
                stream.flush()
            except OSError:
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
