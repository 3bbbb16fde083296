"""The script that the program's interpreter is started with.

A script and not `-c`, since its frame is the last of each stack in a recording, and a file's
name tells that it is none of the program's.
"""

import _signal  # type: ignore[import-not-found]
import sys

# Until the program begins, a Ctrl-C ends this process at once, as SIGTERM does: Python's own
# handler would show where in Fournil it was.
interruptible = _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler
if interruptible:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)

# Python puts a script's directory first on the path, where a module of ours would hide one of
# the standard library.
if not sys.flags.safe_path:
    del sys.path[0]
# Where Fournil is goes last, and for one import only: the interpreter may have been told not
# to look there, and then the program's imports must not find it there either.
path = sys.path[:]
sys.path.append(__file__.rsplit("/", 3)[0])
# What PYTHONPATH names comes before the standard library, and may have modules named as its own.
library = getattr(sys, "_stdlib_dir", None) or "/"
sys.path.sort(key=lambda folder: not str(folder).startswith(library))
from fournil.launch.entry import prepare, show_from  # noqa: E402

sys.path[:] = path
program = prepare(interruptible=interruptible)
try:
    # Called from here and not by a function of ours: whoever looks at the stack finds one frame
    # more than under `python`.
    program.run(*program.arguments)
except SystemExit:
    raise
except BaseException:
    show_from(program)
    raise
