"""Who may import whom, read from the sources: Python's imports and Cython's cimports."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import fournil

ROOT = Path(__file__).parents[1]

ANY = "any"
NOTHING: frozenset[str] = frozenset()

# A layer is a folder or a module of the package. Each may import the standard library, itself,
# and what stands here: layers by name, other distributions by the name that is imported.
LAYERS: dict[str, frozenset[str] | str] = {
    "errors": NOTHING,
    "record": NOTHING,
    "_worker": frozenset({"errors", "cloudpickle", "numpy"}),
    "timing": frozenset({"errors"}),
    "_native": frozenset({"errors", "record"}),
    "_loop": frozenset({"_native", "offload.default_executor"}),
    "loop": frozenset({"_loop", "_native", "errors", "record"}),
    "other_loops": frozenset({"_native"}),
    "recorder": frozenset({"_native", "other_loops", "record", "errors"}),
    "launch": frozenset({"errors", "loop", "record", "recorder"}),
    "evidence": frozenset({"record"}),
    # Of what is native, no loop: pools work on any.
    "offload": frozenset(
        {
            "evidence",
            "errors",
            "record",
            "_worker",
            "_native.spin_wait",
            "_native.owned",
            "_native.wakers",
        }
    ),
    "progress_bar": frozenset({"rich"}),
    "observe": frozenset({"evidence", "record", "errors", "rich"}),
    "recording": frozenset({"observe", "record", "errors"}),
    "console": frozenset({"observe", "rich"}),
    "cli": ANY,
    "__main__": ANY,
    "pytest_plugin": ANY,
}

# What each pool is made of, and so each kind of one.
CONTRACT = frozenset({"account", "arguments", "call", "calls", "statistics"})

# The rooms of a folder, each with those whose parts it may import besides its own.
ROOMS: dict[str, dict[str, frozenset[str]]] = {
    "observe": {
        "words": NOTHING,
        "recording": NOTHING,
        "replay": frozenset({"recording"}),
        "advice": frozenset({"words", "recording", "replay"}),
        "report": frozenset({"words", "recording", "replay", "advice"}),
    },
    # What both sides have, then what a worker does, then how it comes to be.
    "_worker": {
        "adaptive_spin": NOTHING,
        "handlers": NOTHING,
        "imports": NOTHING,
        "own": NOTHING,
        "wire": NOTHING,
        "naming": frozenset({"handlers"}),
        "running": frozenset({"naming"}),
        "memory": frozenset({"own", "wire"}),
        "control_block": frozenset({"memory", "own"}),
        "pickling": frozenset({"handlers", "memory", "naming", "running"}),
        "logs": frozenset({"handlers", "naming", "pickling", "wire"}),
        "receiver": frozenset({"adaptive_spin"}),
        "sender": frozenset({"control_block", "own", "wire"}),
        "payloads": frozenset({"memory", "sender", "wire"}),
        "worker": frozenset(
            {
                *("control_block", "handlers", "imports", "logs", "naming", "own", "payloads"),
                *("pickling", "receiver", "running", "sender", "wire"),
            }
        ),
        "starting": frozenset({"control_block", "own", "worker"}),
    },
    # The contract, then the kinds of pools above it.
    "offload": {
        "arguments": NOTHING,
        "call": NOTHING,
        "forking": NOTHING,
        "shared": NOTHING,
        "spin_wait": NOTHING,
        "statistics": NOTHING,
        "watching": NOTHING,
        "account": frozenset({"call"}),
        "calls": frozenset({"account", "call", "forking"}),
        "executor": frozenset({"call"}),
        "mapping": frozenset({"call"}),
        "sharing": frozenset({"shared"}),
        "wakers": frozenset({"watching"}),
        "pool": CONTRACT | {"executor", "forking", "mapping"},
        "lifetime": frozenset({"call", "pool"}),
        "calling": frozenset({"spin_wait", "wakers"}),
        "threads": frozenset({"call", "calling", "lifetime", "pool", "statistics"}),
        "loop_call": frozenset({"calling"}),
        "default_executor": frozenset({"calling", "loop_call", "wakers"}),
        "isolated": CONTRACT | {"pool", "shared", "threads", "watching"},
        "processes": frozenset({"arguments", "call", "isolated", "lifetime"}),
        "interpreters": frozenset({"isolated"}),
    },
    # From what decides and what carries, over one worker, to all workers of a pool.
    "offload/isolated": {
        "channel": NOTHING,
        "deaths": NOTHING,
        "dispatch": NOTHING,
        "forkserver": NOTHING,
        "functions": NOTHING,
        "logs": NOTHING,
        "refusals": NOTHING,
        "watchdog": NOTHING,
        "checks": frozenset({"watchdog"}),
        "payloads": frozenset({"channel", "dispatch", "functions"}),
        "known": frozenset({"functions", "payloads"}),
        "worker": frozenset(
            {
                *("channel", "deaths", "dispatch", "functions", "known", "logs", "payloads"),
                "refusals",
            }
        ),
        "process": frozenset({"deaths", "worker"}),
        "supervisor": frozenset({"checks", "dispatch", "functions", "worker"}),
        "engine": frozenset({"dispatch", "functions", "supervisor", "worker"}),
        "pool": frozenset({"engine", "supervisor"}),
    },
}

# These use the public names alone: `import fournil`, `from fournil import run`, and these modules.
OUTSIDE = ("lab", "benchmarks", "examples")
PUBLIC = frozenset({"fournil.recording"})

# What Cython itself gives to cimport.
CYTHON = frozenset({"cpython", "cython", "libc", "libcpp", "posix"})

# Each is in some of the Pythons.
INTERPRETERS = frozenset({"_interpreters", "_xxsubinterpreters"})

# Types of the standard library that exist for type checkers alone.
TYPES = frozenset({"_typeshed"})

CYTHON_IMPORT = re.compile(
    r"""^[ \t]*(?:
        from[ \t]+(?P<source>[\w.]+)[ \t]+c?import[ \t]*(?P<names>\([^)]*\)|[^\n]*)
      | c?import[ \t]+(?P<modules>[^\n]*)
    )""",
    re.MULTILINE | re.VERBOSE,
)
CYTHON_TEXT = re.compile(r'("""|\'\'\').*?\1|#[^\n]*', re.DOTALL)


class Import(NamedTuple):
    """One name that a file imports."""

    path: Path
    line: int
    module: str
    name: str | None  # None: the module itself


def python_imports(path: Path) -> Iterator[Import]:
    for node in ast.walk(ast.parse(path.read_text(), path)):
        match node:
            case ast.Import(names):
                for alias in names:
                    yield Import(path, node.lineno, alias.name, None)
            case ast.ImportFrom(module, names, level):
                assert not level, f"{path}:{node.lineno}: relative imports hide the layer"
                for alias in names:
                    yield Import(path, node.lineno, module or "", alias.name)


def cython_imports(path: Path) -> Iterator[Import]:
    # Keep the line breaks of what is cut out, so that line numbers stay right.
    text = CYTHON_TEXT.sub(lambda match: "\n" * match[0].count("\n"), path.read_text())
    for match in CYTHON_IMPORT.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        listed = (match["names"] or match["modules"]).strip("() \n").split(",")
        names = [item.split()[0] for item in listed if item.strip()]
        for name in names:
            if match["source"]:
                yield Import(path, line, match["source"], name)
            else:
                yield Import(path, line, name, None)


def imports(folder: Path) -> Iterator[Import]:
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".py":
            yield from python_imports(path)
        elif path.suffix in {".pyx", ".pxd"}:
            yield from cython_imports(path)


def target(found: Import) -> str:
    """Return the layer or distribution that is imported; "fournil": it, or a public name."""
    parts = found.module.split(".")
    if parts[0] != "fournil":
        return parts[0]
    if len(parts) > 1:
        return parts[1]
    if found.name in LAYERS:
        return found.name
    # What the package says about itself, as __version__, belongs to no layer.
    return "__init__" if found.name and found.name.startswith("__") else "fournil"


def layer_violations(package: Path) -> list[str]:
    wrong = []
    for found in imports(package):
        relative = found.path.relative_to(package)
        layer = relative.parts[0].removesuffix(found.path.suffix)
        if layer == "__init__":
            continue
        to = target(found)
        allowed = LAYERS.get(layer, NOTHING)
        if (
            allowed == ANY
            or to in {layer, "__init__", *allowed}
            or f"{to}.{found.name}" in allowed
            or (to in CYTHON and found.path.suffix != ".py")
            or to in sys.stdlib_module_names | TYPES | INTERPRETERS
        ):
            continue
        may = ", ".join(sorted(allowed)) or "nothing but the standard library"
        if layer not in LAYERS:
            may = "nothing, since LAYERS does not know it"
        wrong.append(f"{relative}:{found.line}: {layer} imports {to}, and may import {may}")
    return wrong


def room_violations(package: Path) -> list[str]:
    wrong = []
    for folder, rooms in ROOMS.items():
        for found in imports(package / folder):
            relative = found.path.relative_to(package / folder)
            room = relative.parts[0].removesuffix(found.path.suffix)
            of_folder = f"fournil.{folder.replace('/', '.')}."
            _, _, inside = f"{found.module}.{found.name or ''}".partition(of_folder)
            to = inside.split(".")[0]
            if room == "__init__" or to in {"", room, *rooms.get(room, NOTHING)}:
                continue
            may = ", ".join(sorted(rooms.get(room, NOTHING))) or "nothing else there"
            wrong.append(
                f"{folder}/{relative}:{found.line}: {room} imports {to}, and may import {may}"
            )
    return wrong


def circles(package: Path) -> list[str]:
    """Return the files that import themselves by way of others."""
    modules = {
        ".".join(("fournil", *path.relative_to(package).with_suffix("").parts)): path
        for path in package.rglob("*.py")
    }
    imported = {
        module: {
            to
            for found in python_imports(path)
            for to in (found.module, f"{found.module}.{found.name}")
            if to in modules
        }
        for module, path in modules.items()
    }
    in_circles = []
    for module in sorted(modules):
        reached: set[str] = set()
        ahead = [module]
        while ahead:
            new = imported[ahead.pop()] - reached
            reached |= new
            ahead += new
        if module in reached:
            in_circles.append(module)
    return in_circles


def outside_violations(root: Path, public: frozenset[str]) -> list[str]:
    wrong = []
    for folder in OUTSIDE:
        for found in imports(root / folder):
            if found.module.split(".")[0] != "fournil" or found.module in PUBLIC:
                continue
            if found.module != "fournil" or (found.name is not None and found.name not in public):
                what = ".".join(filter(None, [found.module, found.name]))
                where = found.path.relative_to(root)
                wrong.append(f"{where}:{found.line}: {what} is not one of fournil's public names")
    return wrong


def test_layers() -> None:
    assert layer_violations(ROOT / "src" / "fournil") == []


def test_rooms() -> None:
    assert room_violations(ROOT / "src" / "fournil") == []


def test_no_circles() -> None:
    assert circles(ROOT / "src" / "fournil") == []


def test_outside_uses_public_names() -> None:
    assert outside_violations(ROOT, frozenset(fournil.__all__)) == []


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_pyx", ".pyx")
        path = path if path.suffix else path.with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_finds_violations(tmp_path: Path) -> None:
    write(
        tmp_path,
        errors="import enum\nimport click\n",
        record__layout="from fournil import errors\n",
        observe__model="def lazily():\n    from fournil._native import ring\n",
        recorder="from fournil import __version__\n",
        loop="from fournil import run\n",
        novelty="import fournil.errors\n",
        cli__main="import click\nfrom fournil.observe import model\n",
        _native__core_pyx=(
            '"""\nfrom fournil.loop import in_a_docstring\n"""\n'
            "from libc.stdint cimport uint64_t\n"
            "from fournil._native.ready cimport (\n    Ready,\n    push,\n)\n"
            "cimport fournil.record.ring as ring  # from fournil.cli import in_a_comment\n"
            'cdef extern from "x.h":\n    pass\n'
            "cdef f():\n    from fournil.observe.recording.model import (\n        Model\n    )\n"
        ),
    )
    assert layer_violations(tmp_path) == [
        "_native/core.pyx:13: _native imports observe, and may import errors, record",
        "errors.py:2: errors imports click, and may import nothing but the standard library",
        "loop.py:1: loop imports fournil, and may import _loop, _native, errors, record",
        "novelty.py:1: novelty imports errors, and may import nothing, since LAYERS does not know"
        " it",
        "observe/model.py:2: observe imports _native, and may import errors, evidence, record,"
        " rich",
        "record/layout.py:1: record imports errors, and may import nothing but the standard"
        " library",
    ]


def test_finds_violations_of_rooms(tmp_path: Path) -> None:
    write(
        tmp_path,
        observe__words="from fournil.observe.report import sections\n",
        observe__recording__model="import fournil.observe.recording.lag\nimport fournil.record\n",
        observe__report__page="from fournil.observe.advice.rules import RULES\n",
        observe__attic="from fournil.observe import words\n",
    )
    assert room_violations(tmp_path) == [
        "observe/attic.py:1: attic imports words, and may import nothing else there",
        "observe/words.py:1: words imports report, and may import nothing else there",
    ]


def test_finds_circles(tmp_path: Path) -> None:
    write(
        tmp_path,
        observe__a="from fournil.observe import b\n",
        observe__b="def late():\n    from fournil.record.c import name\n",
        record__c="import fournil.observe.a\n",
        record__d="from fournil.observe.a import name\n",
        offload__e="import fournil.offload.e\n",
    )
    assert circles(tmp_path) == [
        "fournil.observe.a",
        "fournil.observe.b",
        "fournil.offload.e",
        "fournil.record.c",
    ]


def test_finds_private_names_outside(tmp_path: Path) -> None:
    write(
        tmp_path,
        benchmarks__switch="import fournil\nfrom fournil import run, secret\nimport uvloop\n",
        examples__shop__main="from fournil.loop import run\nimport fournil.record\n",
    )
    assert outside_violations(tmp_path, frozenset({"run"})) == [
        "benchmarks/switch.py:2: fournil.secret is not one of fournil's public names",
        "examples/shop/main.py:1: fournil.loop.run is not one of fournil's public names",
        "examples/shop/main.py:2: fournil.record is not one of fournil's public names",
    ]
