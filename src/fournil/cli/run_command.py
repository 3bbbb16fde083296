"""`fournil run` as click knows it: its help, and what is wrong with a command line."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import NoReturn

import click

from fournil.cli.options import SIZE, THRESHOLD, package, seconds
from fournil.launch.order import interpreter_flags
from fournil.record import bounds

OF_THE_INTERPRETER = {f"-{letter}" for letter in "bBdEiIOPqRsSuvWxX"}


def _check_time(context: click.Context, parameter: click.Parameter, value: str) -> None:
    try:
        seconds(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _check_packages(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> None:
    for value in values:
        try:
            package(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None


def _check_size(context: click.Context, parameter: click.Parameter, value: str) -> None:
    try:
        bounds.size(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _with_flags_before(option: str, words: Sequence[str]) -> str:
    """Return a command line with the interpreter's own options where they belong."""
    begin = next((at for at, word in enumerate(words) if word.startswith(option)), len(words))
    flags = interpreter_flags(["python", *words[begin:]]) or [option]
    rest = [*words[:begin], *words[begin + len(flags) :]]
    return shlex.join(["python", *flags, "-m", "fournil", "run", *rest])


class RunCommand(click.Command):
    """A command whose options end where the program begins, as those of `python` do."""

    def parse_args(self, context: click.Context, arguments: list[str]) -> list[str]:
        with_value = {
            option
            for parameter in self.params
            if isinstance(parameter, click.Option) and not parameter.is_flag
            for option in parameter.opts
        }
        given = list(arguments)
        words = iter(given)
        parsed: list[str] = []
        for word in words:
            parsed.append(word)
            if word in with_value:
                value = next(words, None)
                if value is None:
                    break  # click says which option has none
                parsed.append(value)
            if word[:2] in {"-m", "-c"}:
                # What follows is the program's, also where it looks like an option.
                parsed.append("--")
                break
            if not word.startswith("-") or word in {"-", "--"}:
                break
        try:
            return super().parse_args(context, [*parsed, *words])
        except click.NoSuchOption as error:
            if error.option_name in {"--version", "-V"}:
                raise click.UsageError(
                    f"No such option {error.option_name!r}. `fournil --version` tells Fournil's"
                    " version, `fournil run -m MODULE --version` that of a program.",
                    context,
                ) from None
            if error.option_name[:2] in OF_THE_INTERPRETER:
                raise click.UsageError(
                    f"No such option {error.option_name!r}. Options of the interpreter go"
                    f" before: {_with_flags_before(error.option_name[:2], given)}",
                    context,
                ) from None
            raise


@click.command(
    "run",
    cls=RunCommand,
    context_settings={"allow_interspersed_args": False},
    options_metavar="[OPTIONS]",
)
@click.option("-m", "module", metavar="MODULE", help="Run a module, as `python -m` does.")
@click.option("-c", "code", metavar="CODE", help="Run code, as `python -c` does.")
@click.option(
    "--threshold",
    metavar="TIME",
    default=THRESHOLD,
    show_default=True,
    callback=_check_time,
    help="How long a step must run to count as blocked.",
)
@click.option(
    "--size",
    metavar="SIZE",
    default=SIZE,
    show_default=True,
    callback=_check_size,
    help="How large the recording is, 2M to 32G: the larger, the further back it goes.",
)
@click.option("--record", metavar="FILE", help="Keep the recording, for `fournil report FILE`.")
@click.option("--json", "json_to", metavar="FILE", help="Write the report as JSON; - is stdout.")
@click.option(
    "--mine",
    metavar="PACKAGE",
    multiple=True,
    callback=_check_packages,
    help="An installed package that counts as your own code; may be given several times.",
)
@click.option("--no-report", is_flag=True, help="Do not print the report.")
@click.option("--no-follow", is_flag=True, help="Do not record the processes that it starts.")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[SCRIPT] [ARGUMENTS]...")
def run_command(**_: object) -> NoReturn:
    """Run a Python program and say who blocked its loop.

    SCRIPT is a file, a directory or a zip archive with a __main__.py, or - for standard
    input. The program sees what it would see under `python`, and may use `await` at the top
    level; this command ends as the program ends. Options of the interpreter go before:
    python -X dev -m fournil run app.py
    """
    # All else that is right was read by `options.parse`, and never comes here.
    raise click.UsageError("nothing to run; give a script, -m MODULE or -c CODE")
