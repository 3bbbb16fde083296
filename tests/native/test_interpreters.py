"""The native modules in other interpreters than the main one: refused, and not lost to them."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = '''
import sys
if sys.version_info >= (3, 13):
    import _interpreters as interpreters
    run = interpreters.exec
    def create():
        return interpreters.create("legacy" if sys.argv[1] == "shared" else "isolated")
else:
    import _xxsubinterpreters as interpreters
    run = interpreters.run_string
    def create():
        return interpreters.create(isolated=sys.argv[1] != "shared")

LOADS = """
try:
    import fournil
    fournil.{}
except ImportError as error:
    import sys
    print(error, "asyncio" in sys.modules, flush=True)
"""

for name in ("new_event_loop", "Recorder"):
    other = create()
    run(other, LOADS.format(name))
    interpreters.destroy(other)

import asyncio
import fournil
with fournil.Recorder():
    print(fournil.run(asyncio.sleep(0, "main")))
'''


@pytest.mark.parametrize("kind", ["shared", "isolated"])
def test_another_interpreter_loads_them_first(kind: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, kind],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    *refused, ran = done.stdout.splitlines()
    assert ran == "main"
    assert len(refused) == 2
    # asyncio is not imported there either: until CPython 3.11 its C half keeps what it has found.
    assert all("main interpreter" in line and line.endswith(" False") for line in refused)
