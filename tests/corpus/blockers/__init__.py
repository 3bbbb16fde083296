"""What blocks, a file a class."""

from __future__ import annotations

from collections.abc import Mapping

from tests.corpus.blocker import Blocker
from tests.corpus.blockers import native, native_gil, python, waiting

BLOCKERS: Mapping[str, Blocker] = {
    blocker.name: blocker
    for module in (waiting, python, native, native_gil)
    for blocker in module.BLOCKERS
}
