"""Has the processes be recorded that a program forks, spawns, or becomes by exec.

- What is forked has all that its parent had.
- What is started by another command line, of a Python of ours, gets it changed (see `commands`) on
  its way into the kernel: `subprocess`, `multiprocessing` and `os` have one function each for that.
- What starts another Python, or one in a way that cannot be changed, is noted as not seen.

A child begins its recording with the first run of a loop. Those that run none, a compiler or a
worker that computes, cost nothing but that.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import json
import os
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

from fournil.launch import commands
from fournil.launch.order import Order
from fournil.record import files, hook, programs
from fournil.record.layout import MINIMUM_SIZE
from fournil.recorder import Recorder

SIZE = 8 << 20
"""Of the recording of a child, bytes, unless a smaller one was asked for."""

MOST = 1 << 30
"""So much room the recordings of a program's children take together, bytes."""

SHARE = 2
"""And no more than this part of what their file system has left: the program may need it too."""

CHILDREN_TO_COME = 128
"""A child takes no more than it would if so many were to share what is left: of a hundred at once,
the last has a smaller recording than the first, and not none."""

MOST_NOTES = 100
SHEBANG = 256

_OURS = os.path.realpath(sys.executable)


class Children:
    """What is to become of this process's children, and of this process where it is a child.

    Args:
        order: that this process follows.
        main: the program's main file, or "".
        module: its name as a module, or "".
        recorder: that records this process; None: it is a child, and none does yet.
    """

    def __init__(self, order: Order, main: str, module: str, recorder: Recorder | None) -> None:
        self._order = order
        self._main = main
        self._module = module
        self._running: asyncio.AbstractEventLoop | None = None
        self._is_forked = order.was_forked
        self._recorder = recorder

    def follow(self) -> None:
        """From now on, have the children of this process be recorded."""
        os.register_at_fork(before=self._before_fork, after_in_child=self._forked)
        _change_starts(self)

    # This process, as a child.

    def record_later(self) -> None:
        """Record this process from the first run of a loop on."""
        hook.late = self.begin

    def begin(self) -> None:
        """Begin the recording; without room for it, this process is one that was not seen."""
        hook.late = None
        order = self._order
        try:
            size = _size_of(order.children, min(order.size, SIZE), int(order.program, 16))
            recorder = Recorder(
                _free_path(order.children),
                threshold=order.threshold,
                size=size,
                main=self._main or None,
                warn=False,
                program=int(order.program, 16),
                about={
                    "parent": os.getppid(),
                    "module": self._module,
                    "mine": order.mine,
                    "process": _name(),
                    "forked": self._is_forked,
                },
            )
            recorder.start()
            hook.is_run = True
        except RuntimeError:
            return  # the program has a recorder of its own
        except Exception as error:  # whatever it is, the loop runs
            self.note(sys.orig_argv, str(error))
            return
        self._recorder = recorder
        # A child of multiprocessing's ends by os._exit, after finalizers of its own.
        if util := sys.modules.get("multiprocessing.util"):
            util.Finalize(None, recorder.stop, exitpriority=-1000)

    def note_never_awaited(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        if self._recorder is not None:
            self._recorder.note_never_awaited(coroutine)

    def _before_fork(self) -> None:
        self._running = asyncio._get_running_loop()

    def _forked(self) -> None:
        running, self._running = self._running, None
        self._recorder, self._is_forked = None, True
        self.record_later()
        if running is not None:
            # The loop may go on in the child, which may as well leave it at once.
            with contextlib.suppress(RuntimeError):
                running.call_soon(self._begin_if_not_begun)

    def _begin_if_not_begun(self) -> None:
        if hook.late is not None:
            self.begin()

    # Its children.

    def changed(
        self,
        path: str | None,
        words: Sequence[Any],
        *,
        folder: str | None = None,
        environment: Mapping[str, str] | None = None,
        can_change: bool = True,
    ) -> tuple[str, list[Any]] | None:
        """Return the executable and the words that a start is to have; None: those that it has.

        Args:
            path: of the executable, as the child will be told it; None: it is not to be found.
            words: of the command line, as they were given.
            folder: the child's working directory; None: this process's.
            environment: the child's environment; None: this process's.
            can_change: whether the child will be able to read what is ours.
        """
        if path is None:
            return None
        here = os.path.join(folder, path) if folder else path
        if not os.access(here, os.X_OK):
            return None
        environment = os.environ if environment is None else environment
        texts = [os.fsdecode(word) for word in words]
        at: int | None = 0
        begin: list[str] = []
        if not _is_ours(here):
            interpreter = _shebang(here)
            found = _found(interpreter[0], environment) if interpreter else None
            if interpreter and found and _is_ours(found):
                path, begin, texts = found, interpreter, [path, *texts[1:]]
            else:
                at = commands.find_python(texts, partial(_is_found_ours, environment))
        if at is not None and can_change:
            tail = [*begin, *texts] if begin else texts[at:]
            command = commands.read(tail)
            if command is not None and command.is_own():
                return None
            if command is not None and not _hides_ours(command, folder, environment):
                # A fork that becomes another process is counted by its parent, and not once more.
                was_forked = self._is_forked and self._recorder is None
                order = self._order.of_child(
                    kind=command.kind,
                    attached=command.attached,
                    main=self._main,
                    module=self._module,
                    was_forked=was_forked,
                )
                return path, [*texts[:at], *commands.followed(tail, command, order)]
        if begin or commands.runs_python(texts):
            self.note([*begin, *texts], "not followed")
        return None

    def note(self, words: Sequence[str], why: str) -> None:
        """Note a process that is not seen, for the report."""
        folder = self._order.notes
        with contextlib.suppress(OSError):
            # Recordings may lie in the same folder.
            if not folder or _notes_in(folder) >= MOST_NOTES:
                return
            name = os.path.join(folder, f"{os.getpid()}-{os.urandom(4).hex()}{programs.NOTE}")
            with open(name, "w", encoding="utf-8", errors="surrogateescape") as file:
                json.dump({"argv": [str(word)[:200] for word in words[:20]], "why": why}, file)


def _name() -> str:
    """Return what multiprocessing calls this process."""
    process = sys.modules.get("multiprocessing.process")
    return str(process.current_process().name) if process else ""


def _notes_in(folder: str) -> int:
    return sum(name.endswith(programs.NOTE) for name in os.listdir(folder))


def _size_of(pattern: str, most: int, program: int) -> int:
    """Return how large one more recording of a program may be; raise OSError without room."""
    taken = 0
    for path in files.matching(pattern):
        # Beside one that is kept there may be those of earlier runs, and what is no recording.
        if programs.number_of(path) != program:
            continue
        with contextlib.suppress(OSError):
            taken += os.lstat(path).st_blocks * 512
    system = os.statvfs(os.path.dirname(pattern))
    left = system.f_bavail * system.f_frsize
    room = min(MOST - taken, left // SHARE)
    if room < MINIMUM_SIZE:
        raise OSError(errno.ENOSPC, "the recordings of its program take all the room they may have")
    return max(MINIMUM_SIZE, min(most, room // CHILDREN_TO_COME))


def _is_ours(path: str) -> bool:
    return os.path.realpath(path) == _OURS


def _is_found_ours(environment: Mapping[str, str], word: str) -> bool:
    path = _found(word, environment)
    return path is not None and os.path.isabs(path) and _is_ours(path)


def _hides_ours(
    command: commands.PythonCommand, folder: str | None, environment: Mapping[str, str]
) -> bool:
    """Tell whether a child's own modules stand in the place of the standard library's.

    What we import there of the library, the child would find in the place of its own.
    """
    here = folder or os.getcwd()
    first = os.path.dirname(command.target) if command.kind == "script" else ""
    on_path = environment.get("PYTHONPATH", "").split(os.pathsep)
    for place in dict.fromkeys([first, *filter(None, on_path)]):
        with contextlib.suppress(OSError):
            whole = os.path.join(here, place)
            for name in os.listdir(whole):
                module, dot, _ = name.partition(".")
                if module not in sys.stdlib_module_names:
                    continue
                if dot or os.path.exists(os.path.join(whole, name, "__init__.py")):
                    return True
    return False


def _found(word: str, environment: Mapping[str, str] | None = None) -> str | None:
    """Return the path of a program that is named as in a shell, for a process's environment."""
    if "/" in word:
        return word
    with contextlib.suppress(ValueError, TypeError):
        for folder in os.get_exec_path(environment):
            path = os.path.join(os.fsdecode(folder), word)
            if os.access(path, os.X_OK):
                return path
    return None


def _shebang(path: str) -> list[str] | None:
    """Return the interpreter and the option that the first line of a script names."""
    try:
        if not os.path.isfile(path):  # to open a pipe would wait for its other end
            return None
        with open(path, "rb") as file:
            line = file.readline(SHEBANG)
    except OSError:
        return None
    # The kernel takes a carriage return for a part of the name, and a relative name from anywhere.
    if not line.startswith(b"#!") or not line.endswith(b"\n") or b"\r" in line:
        return None
    words = [os.fsdecode(word) for word in line[2:].strip().split(None, 1)]
    if not words or not words[0].startswith("/"):
        return None
    if len(words) == 2 and os.path.basename(words[0]) == "env":
        words = words[1:]  # `env` gets one word, and looks for a program of that name
    return words or None


def _free_path(pattern: str) -> str:
    """Return a path for this process's recording: one number may have several, by exec."""
    stem, suffix = os.path.splitext(pattern.replace("%p", str(os.getpid())))
    path, number = stem + suffix, 1
    while os.path.lexists(path):
        number += 1
        path = f"{stem}-{number}{suffix}"
    return path


# The functions by which processes are started.


def _change_starts(children: Children) -> None:
    import _posixsubprocess

    fork_exec = _posixsubprocess.fork_exec

    @functools.wraps(fork_exec)
    def changed_fork_exec(
        args: Any, executables: Any, close_fds: Any, pass_fds: Any, cwd: Any, env: Any, *rest: Any
    ) -> int:
        # What is no command line is refused by the function itself.
        with contextlib.suppress(TypeError, ValueError, IndexError):
            folder = None if cwd is None else os.fsdecode(cwd)
            path = _first_executable(executables, folder)
            # Another user may not read what is ours.
            drops = any(value is not None and value != -1 for value in rest[-6:-3])
            drops = drops or (rest[-2] is not None and os.geteuid() == 0)
            start = children.changed(
                path,
                list(args),
                folder=folder,
                environment=_as_mapping(env),
                can_change=not drops,
            )
            if start is not None:
                executables, args = [os.fsencode(start[0])], start[1]
        pid: int = fork_exec(args, executables, close_fds, pass_fds, cwd, env, *rest)
        return pid

    _posixsubprocess.fork_exec = changed_fork_exec
    if (subprocess := sys.modules.get("subprocess")) is not None:
        subprocess._fork_exec = changed_fork_exec  # type: ignore[attr-defined]

    for name in ("execv", "execve", "posix_spawn"):
        setattr(os, name, _changed(getattr(os, name), children, os.fsdecode))
    os.posix_spawnp = _changed(os.posix_spawnp, children, lambda path: _found(os.fsdecode(path)))

    system = os.system

    @functools.wraps(system)
    def noted_system(command: Any) -> int:
        with contextlib.suppress(TypeError, ValueError):
            children.changed("/bin/sh", ["sh", "-c", command])
        return system(command)

    os.system = noted_system


def _changed(
    start: Callable[..., Any], children: Children, find: Callable[[Any], str | None]
) -> Callable[..., Any]:
    """Return a function that starts programs by a path and words, with these changed."""

    @functools.wraps(start)
    def changed(path: Any, argv: Any, *rest: Any, **options: Any) -> Any:
        changed = None
        # What is no command line is refused by the function itself.
        if isinstance(path, str | bytes | os.PathLike) and isinstance(argv, list | tuple) and argv:
            with contextlib.suppress(TypeError, ValueError):
                environment = rest[0] if rest and isinstance(rest[0], Mapping) else None
                changed = children.changed(
                    find(path), argv, environment=environment and _texts(environment)
                )
        if changed is not None:
            path, argv = changed
        return start(path, argv, *rest, **options)

    return changed


def _first_executable(executables: Any, folder: str | None) -> str | None:
    for executable in executables:
        path = os.fsdecode(executable)
        here = os.path.join(folder, path) if folder else path
        if os.access(here, os.X_OK) and not os.path.isdir(here):
            return path
    return None


def _texts(environment: Mapping[Any, Any]) -> dict[str, str]:
    return {os.fsdecode(name): os.fsdecode(value) for name, value in environment.items()}


def _as_mapping(environment: Any) -> dict[str, str] | None:
    """Return an environment as a mapping, that `fork_exec` has as a list."""
    if environment is None:
        return None
    pairs = (os.fsdecode(pair).partition("=") for pair in environment)
    return {name: value for name, _, value in pairs}
