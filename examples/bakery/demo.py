"""A bakery that blocks its loop, what Fournil says about it, and what following that gains.

Runs the bakery's service under `fournil run` twice, with the mistakes of `blocking.py` and as
`mended.py` has it, each with the same customers and the same slow supplier. Then compares the
two reports, and fails if the first one named a mistake wrongly or misjudged its gain. Times are
those of a machine that does nothing else: where other programs kept it busy, that is said, and
is no failure.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Iterator
from os.path import relpath
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import customers
import machine
import verdict
from processes import ServerError, started

HERE = Path(__file__).resolve().parent

CUSTOMERS = 3
ORDERS_EACH = 3
LATENCY_S = 0.6
"""How long the supplier takes to answer."""

LONGEST_S = 600.0
INTERRUPTED = 130


class Run(NamedTuple):
    """What came of one version of the service."""

    report: verdict.Report
    answers: list[list[Any]]
    use: machine.Use | None  # of the machine meanwhile


async def serve(kitchen: str, customer_count: int, orders_each: int, supplier: int) -> Run:
    """Run the service with a kitchen, let customers order, and return its report."""
    before = machine.now()
    with TemporaryDirectory() as folder:
        file = Path(folder, "report.json")
        service = [str(HERE / "service.py"), kitchen, f"--supplier={supplier}"]
        service += [f"--orders={customer_count * orders_each}"]
        async with started("-m", "fournil", "run", f"--json={file}", *service) as (process, port):
            try:
                answers = await customers.visit(port, customer_count, orders_each)
            except (ConnectionError, asyncio.IncompleteReadError):
                answers = []  # its status says why it went away
            if status := await process.wait():
                raise ServerError(f"the {kitchen} service ended with status {status}")
        if not file.exists():
            raise ServerError(f"`fournil run` wrote no report of the {kitchen} service")
        after = machine.now()
        use = machine.between(before, after) if before and after else None
        return Run(json.loads(file.read_text()), answers, use)


async def serve_both(customer_count: int, orders_each: int, latency: float) -> tuple[Run, Run]:
    """Run both versions of the service, one after the other."""
    async with started(str(HERE / "supplier.py"), f"--latency={latency}") as (_, supplier):
        say(f"The bakery with its mistakes: {relpath(HERE / 'blocking.py')}")
        first = await serve("blocking", customer_count, orders_each, supplier)
        say(f"The bakery mended: {relpath(HERE / 'mended.py')}")
        return first, await serve("mended", customer_count, orders_each, supplier)


def faults(first: Run, second: Run) -> Iterator[str]:
    """Yield all that is wrong with two runs and their reports."""
    if first.answers != second.answers:
        yield "the two versions gave different answers"


def faults_in_time(first: Run, second: Run) -> Iterator[str]:
    """Yield what is wrong with them, unless the machine was busy with something else."""
    blocking = HERE / "blocking.py"
    made = verdict.mistakes(blocking.read_text())
    yield from verdict.misnamed(first.report, str(blocking), made)
    yield from verdict.still_blocked(first.report, second.report)
    yield from verdict.misjudged(first.report, second.report)


def what_else_ran(first: Run, second: Run) -> Iterator[str]:
    """Yield what else the machine did while a version ran that did not have it for itself."""
    for run, version in (first, "the first version"), (second, "the mended version"):
        if run.use is None:
            yield f"while {version} ran, what it did the system does not tell"
        elif run.use.was_shared:
            yield f"while {version} ran, {run.use}"
    if first.use and second.use:
        # Cores may be halves of one, or slow down, or be taken away without a word.
        less, more = sorted([first.use.own_s, second.use.own_s])
        if more > (1 + verdict.TOLERANCE) * less:
            yield (
                f"the same work took {first.use.own_s:.1f} s of processor time in the first"
                f" version, and {second.use.own_s:.1f} s in the mended one"
            )


async def main() -> int:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    async with asyncio.timeout(LONGEST_S):
        first, second = await serve_both(CUSTOMERS, ORDERS_EACH, LATENCY_S)
    if first.report["estimate"]:
        say("What following the advice gains", *verdict.table(first.report, second.report))
    wrong, doubtful = list(faults(first, second)), list(faults_in_time(first, second))
    if doubtful and (reasons := list(what_else_ran(first, second))):
        say("Not as it should be, but the machine was not the bakery's alone:", *doubtful, *reasons)
    else:
        wrong += doubtful
    for fault in wrong:
        print(f"demo: {fault}", file=sys.stderr)
    if not wrong and not doubtful:
        say(*verdict.praise(first.report, second.report))
    return 1 if wrong else 0


def say(*lines: str) -> None:
    print("", *lines, sep="\n", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main()))
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("demo: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except TimeoutError:
        sys.exit(f"demo: not done after {LONGEST_S:.0f} s")
    except (ServerError, OSError) as error:
        sys.exit(f"demo: {error}")
