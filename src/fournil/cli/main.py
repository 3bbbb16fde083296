"""The `fournil` command: from its first line on, a signal ends it as it should."""

from __future__ import annotations

from collections.abc import Sequence

from fournil.cli import interrupts


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command of a command line, by default this process's."""
    interrupts.install()
    try:
        from fournil.cli.commands import fournil

        fournil(arguments, prog_name="fournil")
    except interrupts.Interrupted as interrupted:
        from fournil.launch.supervisor import end_as

        end_as(interrupted.number)
