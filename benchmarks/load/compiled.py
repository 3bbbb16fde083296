"""The programs in C beside this file, compiled when they are first needed."""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path

SOURCES = Path(__file__).parent

BUILT = SOURCES.parents[1] / "build" / "benchmarks"

FLAGS = ("-std=gnu17", "-O2", "-g", "-pthread", "-Wall", "-Wextra", "-Werror")

NO_COMPILER = "gcc is not installed"


def why_not_compiled(name: str) -> str | None:
    """Return why a program cannot be had here; None: `compiled(name)` is there to run."""
    if shutil.which("gcc") is None:
        return NO_COMPILER
    try:
        compiled(name)
    except subprocess.CalledProcessError as error:
        return f"gcc {SOURCES / name}.c: {error.stderr.strip()}"
    return None


@functools.cache
def compiled(name: str) -> Path:
    """Return the program made of `name`.c, which is compiled if a source is newer."""
    program = BUILT / name
    newest = max(path.stat().st_mtime_ns for path in SOURCES.glob("*.[ch]"))
    if not program.exists() or program.stat().st_mtime_ns < newest:
        BUILT.mkdir(parents=True, exist_ok=True)
        compile_to(program, SOURCES / f"{name}.c", with_tls() if name == "load" else ())
    return program


def compile_to(program: Path, source: Path, extra: tuple[str, ...]) -> None:
    # A run that is starting beside this one must not find half a program.
    unfinished = program.with_suffix(".new")
    command = ["gcc", *FLAGS, "-o", str(unfinished), str(source), *extra]
    subprocess.run(command, check=True, capture_output=True, text=True)
    unfinished.replace(program)


@functools.cache
def with_tls() -> tuple[str, ...]:
    """Return what the compiler needs for TLS; nothing where OpenSSL's headers are missing."""
    if shutil.which("gcc") is None:
        return ()
    look = ["gcc", "-E", "-x", "c", "-include", "openssl/ssl.h", "/dev/null", "-o", "/dev/null"]
    found = subprocess.run(look, check=False, capture_output=True).returncode == 0
    return ("-DWITH_TLS", "-lssl", "-lcrypto") if found else ()
