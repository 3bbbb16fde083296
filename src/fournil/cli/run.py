"""`fournil run`: runs a program as `python` would, then says who blocked its loop."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from fournil.cli import interrupts
from fournil.cli.files import STANDARD_OUTPUT, RecordingFile, check_json
from fournil.cli.options import FLAGS, WITH_VALUE, Options
from fournil.cli.refusal import Refusal, say
from fournil.errors import RecordingError
from fournil.launch.ending import Ending
from fournil.launch.order import (
    BAD_INPUT,
    CANNOT_RUN,
    NO_PROGRAM,
    Order,
    interpreter_flags,
)
from fournil.launch.room import Room
from fournil.launch.supervisor import end_as, signals_blocked, supervise
from fournil.record import programs


def run(options: Options) -> NoReturn:
    """Run a program, report what it did, and end as it ended.

    Raises:
        Refusal: nothing was run; the text says why.
    """
    kind, target, arguments, threshold, size, record, json_to, no_report, no_follow, mine = options
    if json_to is not None:
        check_json(json_to)
        if record is not None and os.path.realpath(record) == os.path.realpath(json_to):
            raise Refusal(f"--record and --json are the same file, {record}; give two")
    status = None
    try:
        with RecordingFile(record, size) as recording:
            order = Order(kind, target, recording.path, recording.final, threshold, size, mine=mine)
            room = None
            if not no_follow:
                program = programs.new()
                order = order._replace(
                    program=f"{program:x}",
                    children=recording.children,
                    notes=recording.notes,
                )
                room = Room(order.children, program)
            command = order.command(sys.executable, interpreter_flags(sys.orig_argv), arguments)
            with signals_blocked() as mask:
                ending = Ending(recording.path, recording.descriptor, command[0])
                status = supervise(command, mask, ending, room, widowed=recording.remove)
            if room is not None:
                room.look_after()
            if not recording.begun():
                _say_how_it_ended_before(status)
            elif (path := recording.found()) is None:
                _say_what_was_meant(order, arguments, status)
            else:
                if not no_report or os.waitstatus_to_exitcode(status) == BAD_INPUT:
                    _say_what_went_to_the_program(arguments)
                recording.remove_earlier()
                if recording.is_named_late:
                    say(f"recorded into {os.path.relpath(path)}")
                if json_to is not None or not no_report:
                    _report(path, recording.notes, json_to, show=not no_report)
    except interrupts.Interrupted as interrupted:
        if status is None:
            status = interrupted.number
            _say_how_it_ended_before(status)
        else:
            say("the report was interrupted")
    except OSError as error:
        if status is None:
            say(f"cannot run the program: {error.strerror}")
            sys.exit(CANNOT_RUN)
        say(f"no report: {error}")
    end_as(status)


def _say_how_it_ended_before(status: int) -> None:
    """Say why there was no program, where its process could not."""
    from fournil.observe.words import signal_name

    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        how = "interrupted" if -code in interrupts.SIGNALS else "killed"
        say(f"{how} by {signal_name(-code)} before the program began")
    elif code not in {BAD_INPUT, CANNOT_RUN}:
        say(f"the interpreter ended with status {code} before the program began")


def _say_what_was_meant(order: Order, arguments: tuple[str, ...], status: int) -> None:
    """Add to what the program's process has said, which found no program."""
    from fournil.cli import hints

    hint = hints.for_program(order.kind, order.target, arguments)
    if hint is not None and os.waitstatus_to_exitcode(status) in NO_PROGRAM:
        say(hint)


def _say_what_went_to_the_program(arguments: tuple[str, ...]) -> None:
    """Name our own options among the program's arguments, where they may have been meant for us."""
    ours = {*WITH_VALUE, *FLAGS}
    given = [word for word in arguments if word.partition("=")[0] in ours]
    if given:
        say(f"the program was given {', '.join(given)}; options of `fournil run` go before it")


def _report(path: str, folder: str, json_to: str | None, *, show: bool) -> None:
    try:
        from fournil.observe.report.publish import publish

        publish(path, folder, json_to=json_to, show=show)
        if json_to == STANDARD_OUTPUT:
            sys.stdout.flush()
    except RecordingError as error:
        say(f"no report: {error}")
    except OSError as error:
        say(f"cannot write the report: {error}")
    except Exception:
        import traceback

        # A mistake of ours must not hide how the program ended.
        say(f"no report, please report this:\n{traceback.format_exc()}")
