"""The command line of a process that starts or is a worker, and what it is told of its program.

A command line and an environment have room for some hundred kilobytes; a program's path and
arguments may be longer. So what is told stands in a file in memory, which the process inherits.
"""

from __future__ import annotations

import marshal
import os
import sys

from fournil._worker.own import OwnFile

TYPE_CHECKING = False  # typing takes longer to import than all else
if TYPE_CHECKING:
    from typing import Any

# The package is the one of the program, wherever its path leads; nothing that lies beside the
# package is found before the library for its sake.
FIND = """\
sys.path[:] = told["path"]
if "fournil" not in sys.modules:
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec
    spec = PathFinder.find_spec("fournil", [told["home"]])
    sys.modules["fournil"] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules["fournil"])
"""
"""Imports the package, where `told` says of what program."""

# `-c` puts the current folder before the library: before the program's own path is set, only
# modules are imported that are built into Python.
CODE = f"""\
import sys, posix, marshal
told = marshal.loads(posix.pread({{file}}, posix.fstat({{file}}).st_size, 0))
{FIND}from fournil._worker.starting import {{module}}
{{module}}.main({{file}}, told, {{arguments}})
"""


def command(options: list[str], file: int, module: str, *arguments: int) -> list[str]:
    """Return the command line of a process that calls `main` of a module of this folder.

    Args:
        options: of the interpreter.
        file: the descriptor of a file that `told` made, which the process inherits.
        module: whose `main` is called with the descriptor, what it was told, and the arguments.
        arguments: further ones.
    """
    listed = ", ".join(map(str, arguments))
    return [
        sys.executable,
        *options,
        "-c",
        CODE.format(file=file, module=module, arguments=listed),
    ]


def told(what: dict[str, Any]) -> OwnFile:
    """Return a file that says what a process is to know.

    Args:
        what: values of built-in types alone; of these, "path", the program's, and "home", the
            folder of the package.

    Raises:
        OSError: there is no room for it.
    """
    data = memoryview(marshal.dumps(what))
    file = OwnFile("fournil-setup")
    try:
        while data:
            data = data[os.write(file.descriptor, data) :]
    except BaseException:
        file.close()
        raise
    return file


def start_of(what: dict[str, Any]) -> None:
    """Take over of the program what any process of its pools has from it."""
    sys.argv[:] = what["argv"]
    if what["environment"] is not None:
        os.environb.update(what["environment"])
