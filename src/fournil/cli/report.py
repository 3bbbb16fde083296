"""`fournil report FILE`: the report of a recording, also of a program that was killed."""

from __future__ import annotations

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
    publish.print_report(found, sys.stderr if json_to == STANDARD_OUTPUT else sys.stdout)
    if json_to is None:
        return
    try:
        publish.write_json(found, json_to)
    except BrokenPipeError:
        raise  # whoever read it has enough; click ends quietly
    except (OSError, ValueError) as error:
        raise Refusal(f"{json_to}: cannot write the report there: {error}") from None
