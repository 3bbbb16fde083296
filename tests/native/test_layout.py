"""The recording's layout: the same to Python and to C."""

from __future__ import annotations

import struct
import subprocess
import sysconfig
from pathlib import Path

import pytest

from fournil.record import layout, native

NATIVE = Path(__file__).parents[2] / "src" / "fournil" / "_native"


def test_the_declarations_are_up_to_date() -> None:
    assert (NATIVE / "layout.pxd").read_text() == native.declarations(), (
        "write it anew: python -m fournil.record.native > src/fournil/_native/layout.pxd"
    )


def c_struct(entry: layout.Layout) -> str:
    fields = "".join(line.replace("    ", " ", 1) + ";" for line in native.struct(entry)[3:])
    return f"struct {entry.name} {{{fields} }};"


def test_a_c_compiler_gives_the_same_offsets(tmp_path: Path) -> None:
    checks = [
        f'_Static_assert(offsetof(struct {entry.name}, {field.name}) == {field.offset}, "");'
        for entry in layout.LAYOUTS
        for field in entry.fields
    ]
    checks += [
        f'_Static_assert(sizeof(struct {entry.name}) == {entry.size}, "");'
        for entry in layout.LAYOUTS
    ]
    source = tmp_path / "layout.c"
    structs = [c_struct(entry) for entry in layout.LAYOUTS]
    source.write_text("\n".join(["#include <stddef.h>", "#include <stdint.h>", *structs, *checks]))
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    compiled = subprocess.run(
        [compiler, "-fsyntax-only", "-Wall", "-Werror", str(source)],
        capture_output=True,
        text=True,
    )
    assert compiled.returncode == 0, compiled.stderr


@pytest.mark.parametrize("entry", layout.LAYOUTS, ids=lambda entry: entry.name)
def test_fields_are_aligned_and_do_not_overlap(entry: layout.Layout) -> None:
    end = 0
    for field in entry.fields:
        each = struct.calcsize("<" + field.format[-1])
        assert field.offset % each == 0
        assert field.offset >= end
        end = field.offset + struct.calcsize("<" + field.format)
    assert entry.size >= end
    assert entry.size % 8 == 0
    assert entry.names == tuple(field.name for field in entry.fields)


def test_the_header_has_room() -> None:
    assert layout.HEADER.size <= layout.HEADER_SIZE


@pytest.mark.parametrize("entry", layout.LAYOUTS, ids=lambda entry: entry.name)
def test_unpack(entry: layout.Layout) -> None:
    buffer = bytes(range(256)) * (entry.size // 256 + 1)
    fields = entry.unpack(buffer)
    assert tuple(fields) == entry.names
    first = entry.fields[0]
    size = struct.calcsize("<" + first.format)
    value = fields[first.name]
    assert value == (
        buffer[:size] if isinstance(value, bytes) else int.from_bytes(buffer[:size], "little")
    )
    assert (
        list(entry.iter_unpack(buffer[: entry.size] * 2)) == [entry.struct.unpack_from(buffer)] * 2
    )
