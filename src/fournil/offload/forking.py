"""Which process this is, and what becomes of pools in one that is forked."""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fournil.offload.pool import Pool

# To ask the kernel for it would cost a tenth of a call.
process = os.getpid()

begun: weakref.WeakSet[Pool] = weakref.WeakSet()
"""The pools that have begun to work in this process."""


def _forked() -> None:
    global process
    process = os.getpid()
    # What they have here would keep their workers, should the parent end before the child.
    for pool in list(begun):
        pool._leave()
        for executor in pool._all_executors():
            executor._leave()
    begun.clear()


os.register_at_fork(after_in_child=_forked)
