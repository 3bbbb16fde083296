"""Whose code a file is: the user's own, Python's, a package's, or Fournil's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Protocol

from fournil.evidence.stacks import Frame, plain_name

LOOP_FUNCTION = "run_forever"
LOOP_FILE = "loop.py"

BUILT_FROM = "src/fournil/_native/"
"""Functions of the native modules tell the path that they were compiled from."""

ASYNCIO_FUNCTION = "run_forever"
ASYNCIO_FILE = "asyncio/base_events.py"

CARRIED = "<dynamic-code>"
"""What cloudpickle calls the file of a function that it took to another process by value."""

TYPED = ("<stdin>", "<console>", "<ipython-input", "<python-input", "<doctest", CARRIED)
"""What the user typed or sent, by the name that stands for its file."""

DEBUGGERS = ("bdb.py", "code.py", "IPython/terminal/embed.py", "_pydevd_bundle/", "debugpy/")
"""What pdb and its like stand on, prompts within a program, and what the debuggers of editors stand
on: libraries' short paths."""

TEMPLATES = frozenset({".html", ".htm", ".j2", ".jinja", ".jinja2", ".mako", ".tmpl", ".xml"})


RUNNERS = frozenset((
    "IPython", "aiohttp", "arq", "bentoml", "celery", "chainlit", "coverage", "daphne",
    "ddtrace", "debugpy", "distributed", "django", "dramatiq", "fastapi", "faststream", "flask",
    "fournil", "granian", "gunicorn", "honcho", "huey", "hupper", "hypercorn", "ipykernel",
    "jupyter", "jupyter_core", "litestar", "locust", "memray", "newrelic", "nose2", "notebook",
    "opentelemetry", "prefect", "procrastinate", "pyinstrument", "pytest", "quart", "ray",
    "robyn", "rq", "sanic", "scalene", "streamlit", "taskiq", "tornado", "uvicorn", "viztracer",
    "watchfiles",
))  # fmt: skip
"""Packages that are run, as modules, for the sake of another one's application."""


class CodeRoots(Protocol):
    """Where a program's code lies, as it said itself; directories as absolute paths."""

    @property
    def argv(self) -> tuple[str, ...]:
        """The command that ran it, with the interpreter and its options."""

    @property
    def main(self) -> str | None:
        """The file that was run; None: there was none, or it is not known."""

    @property
    def module(self) -> str | None:
        """The module that was run."""

    @property
    def mine(self) -> tuple[str, ...]:
        """Packages and modules that the user has named as their own, wherever they lie."""

    @property
    def stdlib_roots(self) -> tuple[str, ...]: ...
    @property
    def package_roots(self) -> tuple[str, ...]: ...
    @property
    def fournil_roots(self) -> tuple[str, ...]: ...


class Ownership:
    """Tells the user's own code from Python's, from packages and from Fournil."""

    def __init__(self, roots: CodeRoots) -> None:
        self._main = roots.main
        self._is_command = roots.main is None and "-c" in roots.argv
        self._stdlib = _as_prefixes(roots.stdlib_roots)
        self._packages = _as_prefixes(roots.package_roots)
        self._fournil = (*_as_prefixes(roots.fournil_roots), BUILT_FROM)
        self._mine = (
            *_of_packages(roots.mine, (*self._packages, *self._stdlib)),
            *_of_packages(_application(roots.module), self._packages),
        )
        self._foreign = ("<frozen ", *self._stdlib, *self._packages, *self._fournil)

    def is_own(self, file: str) -> bool:
        # A program that lies inside one of the roots is the user's all the same.
        if file == self._main or (self._mine and file.startswith(self._mine)):
            return True
        return not (file.startswith(self._foreign) or self._is_generated(file))

    def _is_generated(self, file: str) -> bool:
        """Whether code has no file of its own: what it did, its caller did.

        As the methods of a dataclass, what `exec` runs, a template.
        """
        if file.startswith("<"):
            return not file.startswith(TYPED) and not (file == "<string>" and self._is_command)
        suffix = PurePath(file).suffix
        return suffix in TEMPLATES

    def is_programs(self, file: str) -> bool:
        """Return whether a file is the user's own, or of a package that they installed."""
        is_ours = file.startswith((*self._fournil, "<frozen "))
        return self.is_own(file) or not (is_ours or self.is_stdlib(file))

    def is_stdlib(self, file: str) -> bool:
        # Packages are installed inside the standard library's directory.
        return file.startswith(self._stdlib) and not file.startswith(self._packages)

    def short_path(self, file: str) -> str:
        """Return the path of a file of a library as that library's users know it."""
        # Packages first: their directory lies inside the standard library's.
        for root in (*self._packages, *self._stdlib):
            if file.startswith(root):
                return file.removeprefix(root)
        for root in self._fournil:  # installed from a checkout, it lies outside of them
            if file.startswith(root):
                return f"fournil/{file.removeprefix(root)}"
        return file

    def inside_step(self, frames: Sequence[Frame]) -> tuple[Frame, ...]:
        """Return the frames inside the step: those that the loop called, or else all."""
        for index, frame in enumerate(frames):
            if (
                plain_name(frame.function) == LOOP_FUNCTION
                and PurePath(frame.file).name == LOOP_FILE
                and frame.file.startswith(self._fournil)
            ):
                return tuple(frames[:index])
        return tuple(frames)

    def is_debugger(self, frames: Sequence[Frame]) -> bool:
        """Tell whether a debugger is among the frames: then somebody looks at the program."""
        return any(self.short_path(frame.file).startswith(DEBUGGERS) for frame in frames)

    def runs_loop_of_asyncio(self, frames: Sequence[Frame]) -> bool:
        """Tell whether asyncio's own loop is among the frames: its turns are no steps of ours."""
        return any(
            plain_name(frame.function) == ASYNCIO_FUNCTION
            and self.short_path(frame.file) == ASYNCIO_FILE
            for frame in frames
        )

    def inside_call(self, frames: Sequence[Frame]) -> tuple[Frame, ...]:
        """Return the frames inside a call that a thread runs: those that its pool called."""
        # Outermost are those of `threading`, then those of the pool; what a call itself calls of
        # Fournil lies further in.
        index = len(frames)
        while index and not frames[index - 1].file.startswith(self._fournil):
            index -= 1
        while index and frames[index - 1].file.startswith(self._fournil):
            index -= 1
        return tuple(frames[:index]) or tuple(frames)

    def innermost_own(self, frames: Sequence[Frame]) -> Frame | None:
        """Return the innermost frame of the user's own code.

        Without one, that of a package, which may spend its time all over the standard library;
        without one of these, the innermost of all.
        """
        for is_wanted in (self.is_own, self.is_programs):
            for frame in frames:
                if is_wanted(frame.file):
                    return frame
        return frames[0] if frames else None


def _application(module: str | None) -> list[str]:
    """Return the package of a module that was run, if that is the application."""
    package = (module or "").partition(".")[0]
    return [package] if package and package not in RUNNERS else []


def _of_packages(names: Iterable[str], roots: Sequence[str]) -> tuple[str, ...]:
    """Return how the paths of files begin that are of packages or modules below some roots."""
    paths = [root + name.replace(".", "/") for name in names for root in roots]
    return tuple(path + end for path in paths for end in ("/", ".py", ".so", ".cpython-"))


def _as_prefixes(roots: Iterable[str]) -> tuple[str, ...]:
    return tuple(root.rstrip("/") + "/" for root in roots if root)
