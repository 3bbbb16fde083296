"""The hot path, compiled: the loop's core and its parts, the recorder, the watch."""

import sys

try:
    if sys.version_info >= (3, 13):
        from _interpreters import get_current, get_main
    else:
        from _xxsubinterpreters import (  # type: ignore[import-not-found]
            get_current,
            get_main,
        )
except ImportError:
    # A Python that was built without: the interpreter is the only one.
    pass
else:
    # The modules are of the first interpreter that loads one of them, and no other's: the main
    # one, which never could load them later, must not lose them to another.
    if get_current() != get_main():
        raise ImportError(
            "Fournil's loop and its recorder run in the main interpreter, and this is another one;"
            " in it, use asyncio's loop, on which pools of processes work as well"
        )
