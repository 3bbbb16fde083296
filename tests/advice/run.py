"""Runs programs under a recorder, one after the other: `python -m tests.advice.run FOLDER`.

Each is a module with `async def main()`. A line of JSON a program says what it returned, or what
it raised, how long it took, how much of the CPU its loop's thread used, and others of all CPUs.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import io
import json
import sys
import time
from pathlib import Path

import fournil
from tests.advice.others import Others

THRESHOLD_S = 0.03

TIMEOUT_S = 60
"""A program that is not over after this is stuck: its process ends, and tells where it was."""


def main(folder: str, *names: str) -> None:
    sys.path.insert(0, folder)
    for name in names:
        told: dict[str, object] = {"name": name}
        others = Others()
        faulthandler.dump_traceback_later(TIMEOUT_S, exit=True)
        # What programs print is theirs.
        with contextlib.redirect_stdout(io.StringIO()):
            with fournil.Recorder(Path(folder) / f"{name}.fournil", threshold=THRESHOLD_S):
                begin, used = time.perf_counter(), time.thread_time()
                try:
                    # Its imports are its start-up, as of a program of its own.
                    module = importlib.import_module(name)
                    with fournil.Runner() as runner:
                        told["value"] = repr(runner.run(module.main()))
                        # Before the loop's pools close: of their processes nobody is told then.
                        told["others"] = others.share
                except Exception as error:
                    told["raised"] = f"{type(error).__name__}: {error}"
                told["seconds"] = time.perf_counter() - begin
                told["cpu_s"] = time.thread_time() - used
        faulthandler.cancel_dump_traceback_later()
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
