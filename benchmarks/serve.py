"""One process, one server: python -m benchmarks.serve CASE LOOP SETTINGS.

Prints, as JSON, the address that it serves at, or why the loop cannot serve it; then serves
until its standard input ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import os
import sys
import tempfile
import threading
from pathlib import Path

from benchmarks.case import Service, all_cases
from benchmarks.loops import LOOPS, Loop
from benchmarks.plan import Settings
from benchmarks.servers.certificate import self_signed
from benchmarks.servers.listener import Listener


async def serve(listener: Listener, server: str) -> None:
    start = importlib.import_module(f"benchmarks.servers.{server}").start
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def watch_stdin() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(ended.set)

    try:
        # Named: what is served by tasks and servers lasts as long as they do.
        served = await start(listener)  # noqa: F841
    except (NotImplementedError, AttributeError) as error:
        # rloop raises the one or the other for what it does not have.
        say({"unable": f"{type(error).__name__}: {error}".removesuffix(": ")})
        return
    say({"address": listener.address})
    threading.Thread(target=watch_stdin, daemon=True).start()
    await ended.wait()


def say(what: dict[str, str]) -> None:
    print(json.dumps(what), flush=True)


def run(case: Service, loop: Loop, settings: Settings) -> None:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        tls = self_signed(folder) if case.over == "tls" else None
        listener = Listener(case.over, case.size, folder, tls)
        stack.enter_context(loop.surroundings())
        # Only now: threads that the recorder started keep to all cores, this one to one.
        if settings.core is not None:
            os.sched_setaffinity(0, {settings.core})
        runner = stack.enter_context(asyncio.Runner(loop_factory=loop.load()))
        runner.run(serve(listener, case.server))


def main(case: str, loop: str, settings: str) -> None:
    service = all_cases()[case]
    assert isinstance(service, Service)
    run(service, LOOPS[loop], Settings(**json.loads(settings)))


if __name__ == "__main__":
    main(*sys.argv[1:])
