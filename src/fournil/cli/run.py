"""`fournil run`: runs a program as `python` would, then says who blocked its loop."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import traceback
from typing import NoReturn

import click

from fournil.cli import interrupts
from fournil.cli.files import STANDARD_OUTPUT, RecordingFile, check_json
from fournil.cli.refusal import Refusal
from fournil.errors import RecordingError
from fournil.launch.ending import Ending
from fournil.launch.order import BAD_INPUT, CANNOT_RUN, Kind, Order, interpreter_flags
from fournil.launch.supervisor import end_as, signals_blocked, supervise

UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
SHORTEST, LONGEST = 0.001, 3600.0
OF_THE_INTERPRETER = {f"-{letter}" for letter in "bBdEiIOPqRsSuvWxX"}


def _seconds(context: click.Context, parameter: click.Parameter, value: str) -> float:
    """Return a time that was given with its unit, as `50ms`, in seconds."""
    match = re.fullmatch(r"(\d+\.?\d*|\.\d+)\s*(us|ms|s)?", value)
    if match is None:
        raise click.BadParameter(f"{value!r} is no time; write one as 50ms or 0.05s")
    number, unit = match.groups()
    with_unit = [
        f"{number}{unit}" for unit in ("ms", "s") if _is_in_range(float(number) * UNITS[unit])
    ]
    if unit is None and with_unit:
        raise click.BadParameter(f"{value!r} has no unit; write {' or '.join(with_unit)}")
    seconds = float(number) * UNITS[unit or "s"]
    if not _is_in_range(seconds):
        raise click.BadParameter(f"{value!r} is not between 1ms and 3600s")
    return seconds


def _is_in_range(seconds: float) -> bool:
    return SHORTEST <= seconds <= LONGEST


class RunCommand(click.Command):
    """A command whose options end where the program begins, as those of `python` do."""

    def parse_args(self, context: click.Context, arguments: list[str]) -> list[str]:
        with_value = {
            option
            for parameter in self.params
            if isinstance(parameter, click.Option) and not parameter.is_flag
            for option in parameter.opts
        }
        words = iter(list(arguments))
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
                    f" before: python {error.option_name} -m fournil run ...",
                    context,
                ) from None
            raise


@click.command(
    cls=RunCommand,
    context_settings={"allow_interspersed_args": False},
    options_metavar="[OPTIONS]",
)
@click.option("-m", "module", metavar="MODULE", help="Run a module, as `python -m` does.")
@click.option("-c", "code", metavar="CODE", help="Run code, as `python -c` does.")
@click.option(
    "--threshold",
    metavar="TIME",
    default="50ms",
    show_default=True,
    callback=_seconds,
    help="How long a step must run to count as blocked.",
)
@click.option("--record", metavar="FILE", help="Keep the recording, for `fournil report FILE`.")
@click.option("--json", "json_to", metavar="FILE", help="Write the report as JSON; - is stdout.")
@click.option("--no-report", is_flag=True, help="Do not print the report.")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[SCRIPT] [ARGUMENTS]...")
def run(
    module: str | None,
    code: str | None,
    threshold: float,
    record: str | None,
    json_to: str | None,
    no_report: bool,
    words: tuple[str, ...],
) -> NoReturn:
    """Run a Python program and say who blocked its loop.

    SCRIPT is a file, a directory or a zip archive with a __main__.py, or - for standard
    input. The program sees what it would see under `python`, and may use `await` at the top
    level; this command ends as the program ends. Options of the interpreter go before:
    python -X dev -m fournil run app.py
    """
    kind, target, arguments = _what_to_run(module, code, words)
    if json_to is not None:
        check_json(json_to)
        if record is not None and os.path.realpath(record) == os.path.realpath(json_to):
            raise Refusal(f"--record and --json are the same file, {record}; give two")
    status = None
    try:
        with RecordingFile(record) as recording:
            order = Order(kind, target, recording.path, recording.final, threshold)
            command = order.command(sys.executable, interpreter_flags(sys.orig_argv), arguments)
            with signals_blocked() as mask:
                ending = Ending(recording.path, recording.descriptor, command[0])
                status = supervise(command, mask, ending, widowed=recording.remove)
            if not recording.begun():
                _say_how_it_ended_before(status)
            elif (path := recording.found()) is None:
                _say_what_was_meant(order, arguments, status)
            else:
                if not no_report or os.waitstatus_to_exitcode(status) == BAD_INPUT:
                    _say_what_went_to_the_program(arguments)
                if json_to is not None or not no_report:
                    _report(path, json_to, show=not no_report)
    except interrupts.Interrupted as interrupted:
        if status is None:
            status = interrupted.number
            _say_how_it_ended_before(status)
        else:
            _say("the report was interrupted")
    except OSError as error:
        _say(f"cannot run the program: {error.strerror}")
        sys.exit(CANNOT_RUN)
    end_as(status)


def _what_to_run(
    module: str | None, code: str | None, words: tuple[str, ...]
) -> tuple[Kind, str, tuple[str, ...]]:
    if module is not None:
        return "module", module, words
    if code is not None:
        return "code", code, words
    if not words:
        raise click.UsageError("nothing to run; give a script, -m MODULE or -c CODE")
    return "stdin" if words[0] == "-" else "script", words[0], words[1:]


def _say_how_it_ended_before(status: int) -> None:
    """Say why there was no program, where its process could not."""
    from fournil.observe.notes import signal_name

    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        how = "interrupted" if -code in interrupts.SIGNALS else "killed"
        _say(f"{how} by {signal_name(-code)} before the program began")
    elif code not in {BAD_INPUT, CANNOT_RUN}:
        _say(f"the interpreter ended with status {code} before the program began")


def _say_what_was_meant(order: Order, arguments: tuple[str, ...], status: int) -> None:
    """Add to what the program's process has said, which found no program."""
    from fournil.cli import hints

    hint = hints.for_program(order.kind, order.target, arguments)
    if hint is not None and os.waitstatus_to_exitcode(status) == BAD_INPUT:
        _say(hint)


def _say_what_went_to_the_program(arguments: tuple[str, ...]) -> None:
    """Name our own options among the program's arguments, where they may have been meant for us."""
    ours = {name for parameter in run.params for name in parameter.opts if name[:2] == "--"}
    given = [word for word in arguments if word.partition("=")[0] in ours]
    if given:
        _say(f"the program was given {', '.join(given)}; options of `fournil run` go before it")


def _report(path: str, json_to: str | None, *, show: bool) -> None:
    try:
        from fournil.observe.report import publish

        publish(path, json_to=json_to, show=show)
        if json_to == STANDARD_OUTPUT:
            sys.stdout.flush()
    except RecordingError as error:
        _say(f"no report: {error}")
    except OSError as error:
        _say(f"cannot write the report: {error}")
    except Exception:
        # A mistake of ours must not hide how the program ended.
        _say(f"no report, please report this:\n{traceback.format_exc()}")


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # the terminal may be gone
        click.echo(f"fournil: {text}", err=True)
