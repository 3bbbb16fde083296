"""Runs the commands, or those whose names contain a word, and prints what is wrong of each."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.integration.commands import jobs, servers


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.integration.commands", description=__doc__
    )
    parser.add_argument("words", nargs="*", help="parts of names of commands")
    options = parser.parse_args()
    failed = 0
    commands: list[servers.Server | jobs.Job] = [*servers.SERVERS, *jobs.JOBS]
    for command in commands:
        if options.words and not any(word in command.name for word in options.words):
            continue
        if missing := command.missing:
            print(f"{command.name:24} left out, without {', '.join(missing)}")
            continue
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            try:
                if isinstance(command, servers.Server):
                    wrong = servers.check(command, Path(folder))
                else:
                    wrong = jobs.check(command, Path(folder))
            except (OSError, subprocess.SubprocessError) as error:
                wrong = repr(error)
            if wrong:
                wrong += "\n" + (Path(folder) / "said").read_text(errors="replace")[-2000:]
        failed += bool(wrong)
        print(
            f"{command.name:24} {time.monotonic() - began:5.1f} s  {wrong or 'right'}", flush=True
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
