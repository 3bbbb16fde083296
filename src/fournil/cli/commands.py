"""Which commands `fournil` has, and where they are."""

from __future__ import annotations

from importlib import import_module
from typing import NoReturn

import click

from fournil.cli.refusal import Refusal

COMMANDS = {
    "run": ("fournil.cli.run_command:run_command", "Run a program and say who blocked its loop."),
    "report": ("fournil.cli.report:report", "Print the report of a recording."),
}
"""Where each command is, and what the list of commands says about it."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called or ask for their help."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def parse_args(self, context: click.Context, arguments: list[str]) -> list[str]:
        words = list(arguments)
        try:
            return super().parse_args(context, arguments)
        except click.NoSuchOption as error:
            # Options end at the command, so what is before it is all that can be wrong.
            _refuse(f"No such option {error.option_name!r}", words, context)

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if arguments[0] not in COMMANDS:
            _refuse(f"No such command {arguments[0]!r}", arguments, context)
        return super().resolve_command(context, arguments)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in COMMANDS.items()])


def _refuse(what: str, words: list[str], context: click.Context) -> NoReturn:
    from fournil.cli import hints

    hint = hints.for_words(words)
    if hint is not None:
        raise Refusal(f"{what}; {hint}")
    raise click.UsageError(f"{what}.", context)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="fournil", message="fournil %(version)s")
def fournil() -> None:
    """Run asyncio programs on a fast event loop that sees who blocks it."""
