"""Builds the native modules: an extension for each .pyx file. All else is in pyproject.toml."""

import os
import platform
import sys
from pathlib import Path

OLDEST, NEWEST = (3, 11), (3, 15)

found = f"{platform.python_implementation()} {platform.python_version()} on {sys.platform}"
if (
    sys.platform != "linux"
    or sys.implementation.name != "cpython"
    or not OLDEST <= sys.version_info[:2] <= NEWEST
):
    sys.exit(
        f"fournil does not support {found}.\n"
        "It needs Linux (epoll, eventfd) and CPython 3.11 to 3.15, since its event loop"
        " replaces parts of CPython's asyncio.\n"
        "Install it with one of these, or make it an optional dependency:\n"
        "  fournil; sys_platform == 'linux' and implementation_name == 'cpython'"
    )

# Only now: these are compiled, and would fail elsewhere with an error of their own.
from Cython.Build import cythonize  # noqa: E402
from setuptools import Extension, setup  # noqa: E402

NATIVE = Path("src/fournil/_native")

# FOURNIL_DEBUG=1: asserts, bounds checks, no optimization. Changing it needs `--force`.
debug = os.environ.get("FOURNIL_DEBUG", "0") not in ("", "0")

# FOURNIL_SANITIZE=address,undefined: as gcc's -fsanitize. Such modules are only for a Python
# that is started with the sanitizer's library preloaded; see `make sanitize`.
sanitizers = os.environ.get("FOURNIL_SANITIZE", "")
sanitize = (
    [f"-fsanitize={sanitizers}", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g"]
    if sanitizers
    else []
)

# What compiles a module takes up to 200 MB.
MOST_AT_ONCE = 8
at_once = min(len(os.sched_getaffinity(0)), MOST_AT_ONCE)


# What asserts alone use is unused without them.
WITHOUT_ASSERTIONS = ["-Wno-unused-variable", "-Wno-unused-function"]


def extension(path: Path) -> Extension:
    """Return the extension of a .pyx file."""
    return Extension(
        f"fournil._native.{path.stem}",
        [str(path)],
        depends=sorted(map(str, NATIVE.glob("sys/*.h"))),
        extra_compile_args=[
            # -iquote: `sys/` holds headers of ours, and must not hide the system's <sys/…>.
            *("-iquote", str(NATIVE)),
            # -g1: functions and lines, for who looks at a stack. CPython's own -g adds types and
            # variables, on which the compiler spends a third of its time.
            *(["-O0", "-g", "-UNDEBUG"] if debug else ["-O2", "-g1", *WITHOUT_ASSERTIONS]),
            *sanitize,
        ],
        extra_link_args=sanitize,
        define_macros=[] if debug else [("CYTHON_WITHOUT_ASSERTIONS", "1")],
    )


# Cython's processes may import this file.
if __name__ == "__main__":
    # The longest first, so that none is left when the others are done.
    sources = sorted(NATIVE.glob("*.pyx"), key=lambda path: path.stat().st_size, reverse=True)
    setup(
        ext_modules=cythonize(
            list(map(extension, sources)),
            include_path=["src"],
            build_dir="build/cython-debug" if debug else "build/cython",
            nthreads=at_once if at_once > 1 else 0,
            compiler_directives={
                "language_level": "3",
                "binding": True,
                "boundscheck": debug,
                "wraparound": False,
                "initializedcheck": debug,
                "cdivision": True,
                "auto_pickle": False,
            },
        ),
        options={"build_ext": {"parallel": at_once}},
    )
