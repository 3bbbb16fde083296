"""Which commands `fournil` has, and where they are."""

from __future__ import annotations

from importlib import import_module

import click

COMMANDS = {
    "run": ("fournil.cli.run:run", "Run a program and say who blocked its loop."),
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

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="fournil", message="fournil %(version)s")
def fournil() -> None:
    """Run asyncio programs on a fast event loop that sees who blocks it."""
