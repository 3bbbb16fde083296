"""What somebody meant who typed a command that cannot be: as the command to type instead."""

from __future__ import annotations

import difflib
import importlib.util
import os
import re
import shlex
import shutil
import sys
from collections.abc import Sequence

from fournil.cli.options import FLAGS, WITH_VALUE
from fournil.launch.order import Kind, interpreter_flags
from fournil.record.layout import MAGIC

PYTHON = re.compile(r"python[\d.]*")
APPLICATION = re.compile(r"(?P<module>[\w.]+?)(?:\.py)?:(?P<name>[\w.]+)")
"""What servers are given: a module and an object in it."""

SERVERS = ("uvicorn", "hypercorn", "granian")
MAIN_FILES = ("main.py", "app.py", "manage.py")

LIKE = 0.75
"""How like two names must be to be taken for each other; that all end in .py counts."""

HEAD = 512
"""So many bytes of a file say what runs it."""

COMMANDS = ("run", "report")
RUN = ("fournil", "run")


def for_words(words: Sequence[str]) -> str | None:
    """Return what `fournil WORDS` may have meant, of which the first word is no command."""
    first, *rest = words
    if first in {"version", "-V", "-v"}:
        return _did_you_mean("fournil", "--version")
    if first == "help":
        return _did_you_mean("fournil", *rest, "--help")
    if first.partition("=")[0] in {*WITH_VALUE, *FLAGS} or first[:2] in {"-m", "-c"}:
        return _did_you_mean("fournil", *_with_command_first(words))
    if _is_recording(first):
        return _did_you_mean("fournil", "report", *words)
    if first == "record" and rest:
        return _did_you_mean(*RUN, *rest)
    if os.path.isfile(first) or os.path.isdir(first):
        return _did_you_mean(*RUN, *words)
    if close := difflib.get_close_matches(first, COMMANDS, n=1):
        return _did_you_mean("fournil", *close, *rest)
    return for_program("script", first, rest)


def for_program(kind: Kind, target: str, arguments: Sequence[str]) -> str | None:
    """Return what may have been meant by a program that is none."""
    if kind == "module":
        if os.path.isfile(target):
            return _did_you_mean(*RUN, target, *arguments)
        return _file_in(target, arguments) or _of_another_python(target)
    if kind != "script":
        return None
    if PYTHON.fullmatch(os.path.basename(target)):
        return _without_python(arguments)
    if os.path.isdir(target):
        return _file_in(target, arguments)
    if _is_recording(target):
        return _did_you_mean("fournil", "report", target)
    if os.path.exists(target) or not target:
        return None
    return (
        _module_or_command(target, arguments)
        or _application(target, arguments)
        or _file_like(target, arguments)
        or _module(target, arguments)
    )


def for_report(file: str) -> str | None:
    """Return what `fournil report FILE` may have meant of a file that is no recording."""
    return _did_you_mean(*RUN, file) if file.endswith(".py") else None


def _with_command_first(words: Sequence[str]) -> list[str]:
    """Return words that begin with options of a command, with the command before them."""
    before = 0
    while words[before : before + 1] and words[before].startswith("--"):
        before += 1 if "=" in words[before] or words[before] in FLAGS else 2
    if words[before : before + 1] and words[before] in COMMANDS:
        return [words[before], *words[:before], *words[before + 1 :]]
    return ["run", *words]


def _is_recording(path: str) -> bool:
    if not os.path.isfile(path):  # a pipe would be waited for
        return False
    try:
        with open(path, "rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def _did_you_mean(*words: str) -> str:
    return f"did you mean `{shlex.join(words)}`?"


def _without_python(arguments: Sequence[str]) -> str | None:
    flags = interpreter_flags(["python", *arguments])
    rest = arguments[len(flags) :]
    if not rest or flags != list(arguments[: len(flags)]):
        return None
    if flags:
        return _did_you_mean("python", *flags, "-m", *RUN, *rest)
    return _did_you_mean(*RUN, *rest)


def _module_or_command(target: str, arguments: Sequence[str]) -> str | None:
    if os.path.dirname(target):
        return None
    if os.path.isfile(f"{target}.py"):
        return _did_you_mean(*RUN, f"{target}.py", *arguments)
    if _is_runnable(target):
        return _did_you_mean(*RUN, "-m", target, *arguments)
    beside = os.path.join(os.path.dirname(sys.executable), target)
    if _interpreter_of(beside):
        return _did_you_mean(*RUN, beside, *arguments)
    return _of_another_python(target)


def _of_another_python(name: str) -> str | None:
    """Say where a command is that is installed, but not for this Python."""
    path = shutil.which(name)
    interpreter = path and _interpreter_of(path)
    if not interpreter or os.path.dirname(interpreter) == os.path.dirname(sys.executable):
        return None
    return f"{path} belongs to another Python, {interpreter}; install Fournil there"


def _application(target: str, arguments: Sequence[str]) -> str | None:
    match = APPLICATION.fullmatch(target)
    if match is None:
        return None
    server = next(filter(_is_runnable, SERVERS), SERVERS[0])
    return _did_you_mean(*RUN, "-m", server, f"{match['module']}:{match['name']}", *arguments)


def _file_like(target: str, arguments: Sequence[str]) -> str | None:
    first, *rest = target.split()
    if os.path.isfile(first):
        return _did_you_mean(*RUN, first, *rest, *arguments)  # it was quoted as one word
    folder, name = os.path.split(target)
    files = [entry for entry in _listed(folder or ".") if entry.endswith(".py")]
    if close := difflib.get_close_matches(name, files, n=1, cutoff=LIKE):
        return _did_you_mean(*RUN, os.path.join(folder, *close), *arguments)
    return None


def _module(target: str, arguments: Sequence[str]) -> str | None:
    if not target.replace(".", "").isidentifier() or target.endswith(".py"):
        return None
    command = shlex.join([*RUN, "-m", target, *arguments])
    return f"a module is run by -m: `{command}`"


def _file_in(folder: str, arguments: Sequence[str]) -> str | None:
    files = [entry for entry in _listed(folder) if entry.endswith(".py")]
    likely = [name for name in MAIN_FILES if name in files] or files[: len(files) == 1]
    if not likely or "__main__.py" in files:
        return None
    return _did_you_mean(*RUN, os.path.join(folder, likely[0]), *arguments)


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _is_runnable(name: str) -> bool:
    """Tell whether `-m NAME` finds a module, as far as that can be told without imports."""
    if not name.isidentifier():
        return False
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return False
    if spec is None:
        return os.path.isfile(os.path.join(name, "__main__.py"))
    folders = spec.submodule_search_locations
    if folders is None:
        return spec.has_location
    return any(os.path.isfile(os.path.join(folder, "__main__.py")) for folder in folders)


def _interpreter_of(path: str) -> str | None:
    """Return the Python that the first lines of a script name; None: it is no such script."""
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD)
    except OSError:
        return None
    # Where the path is too long for the first line, pip writes `'''exec' PATH "$0" "$@"`.
    match = re.match(rb"#!(?:/bin/sh\n'''exec' )?\"?([^\s\"]*/python[\d.]*)", head)
    return os.fsdecode(match[1]) if match else None
