"""The `fournil` command: from its first line on, a signal ends it as it should."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command of a command line, by default this process's."""
    # PYTHONPATH, and the folder that `-m` puts first, are the program's: they may have modules
    # named as those of the standard library, which are none of this process's.
    library = getattr(sys, "_stdlib_dir", None) or "/"
    sys.path.sort(key=lambda folder: not str(folder).startswith(library))
    from fournil.cli import interrupts
    from fournil.cli.refusal import Refusal, say

    interrupts.install()
    try:
        _follow(sys.argv[1:] if arguments is None else list(arguments))
    except Refusal as refusal:
        say(str(refusal))
        sys.exit(refusal.exit_code)
    except interrupts.Interrupted as interrupted:
        from fournil.launch.supervisor import end_as

        end_as(interrupted.number)


def _follow(words: list[str]) -> None:
    if words[:1] == ["run"]:
        from fournil.cli.options import parse

        if (options := parse(words[1:])) is not None:
            from fournil.cli.run import run

            run(options)
    from fournil.cli.commands import fournil

    fournil(words, prog_name="fournil")
