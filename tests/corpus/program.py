"""Blocks loops under a recorder: `python -m tests.corpus.program RECORDING SECONDS CASE...`.

A case is `WAY:BLOCKER`, each in a loop of its own, one after the other, or
`crowd:BLOCKER+BLOCKER...`, each in a loop in a thread of its own, all at once.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack, closing

import fournil
from tests.corpus.blockers import BLOCKERS
from tests.corpus.ways import WAYS, Block, in_task


def main(recording: str, seconds: str, *cases: str) -> None:
    with fournil.Recorder(recording, threshold=0.05):
        for case in cases:
            way, _, names = case.partition(":")
            with ExitStack() as stack:
                blocks: list[Block] = []
                for name in names.split("+"):
                    prepared = BLOCKERS[name].prepare(float(seconds))
                    stack.enter_context(closing(prepared))
                    blocks.append(prepared.block)
                if way == "crowd":
                    all_at_once(blocks)
                else:
                    WAYS[way].run(*blocks)


def all_at_once(blocks: Sequence[Block]) -> None:
    ready = threading.Barrier(len(blocks))

    def run(block: Block) -> None:
        ready.wait()
        fournil.run(in_task(block))

    threads = [threading.Thread(target=run, args=(block,)) for block in blocks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
