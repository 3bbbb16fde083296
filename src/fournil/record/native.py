"""The recording's layout as Cython declarations, so that it is written down once.

`python -m fournil.record.native > src/fournil/_native/layout.pxd` renews the file that the
native modules use; a test compares the two.
"""

from __future__ import annotations

import re

from fournil.record import kinds, layout, units

C_TYPES = {"Q": "uint64_t", "I": "uint32_t", "H": "uint16_t", "B": "uint8_t", "s": "char"}
CONSTANTS = (
    "SITE_BIT", "NAME_BIT", "FLAG_FIRST",
    "TASK_PENDING", "TASK_FINISHED", "TASK_RAISED", "TASK_CANCELLED", "TASK_DESTROYED",
    "THREAD_FREE", "THREAD_LOOP", "THREAD_SCRIPT", "THREAD_CLOSED", "THREAD_CALLS",
    "SITE_COROUTINE", "SITE_CALLBACK",
    "POOL_FREE", "POOL_OPEN", "POOL_CLOSED",
    "CALL_DONE", "CALL_RAISED", "CALL_CANCELLED", "CALL_ABANDONED", "CALL_DIED",
    "SAW_ON_CPU", "SAW_GIL_HELD", "SAW_GIL_WAIT", "SAW_KERNEL", "SAW_WANTED_CPU", "SAW_OVER",
    "SAW_KEPT",
    "WATCH_NO_THREADS", "CONTROL_THRESHOLD",
)  # fmt: skip


def struct(entry: layout.Layout) -> list[str]:
    """Return the lines of one struct."""
    lines = ["", "", f"cdef struct {entry.name}:"]
    for field in entry.fields:
        count, code = re.fullmatch(r"(\d*)([a-zA-Z])", field.format).groups()  # type: ignore[union-attr]
        lines.append(f"    {C_TYPES[code]} {field.name}" + (f"[{count}]" if count else ""))
    return lines


def declarations() -> str:
    """Return the text of the declaration file."""
    lines = [
        "# Written by `python -m fournil.record.native`; change fournil/record/ instead.",
        "from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t",
        "",
        "",
        "cdef enum:",
        f"    RECORDING_VERSION = {layout.VERSION}",
        f"    RECORDING_HEADER_SIZE = {layout.HEADER_SIZE}",
        f"    TURN_BUCKETS = {layout.TURN_BUCKETS}",
        f"    MAX_LOOPS = {layout.LOOPS}",
        f"    MAX_THREADS = {layout.THREADS}",
        f"    MAX_POOLS = {layout.POOLS}",
        f"    MAX_WORKERS = {layout.WORKERS}",
        f"    COARSE_BIT = {units.COARSE_BIT}",
        f"    COARSE_SHIFT = {units.COARSE_SHIFT}",
    ]
    lines += [f"    {name} = {getattr(kinds, name)}" for name in CONSTANTS]
    lines += [f"    KIND_{kind.name} = {kind.value}" for kind in kinds.Kind]
    lines += [f"    SAMPLE_{kind.name} = {kind.value}" for kind in kinds.SampleKind]
    for entry in layout.LAYOUTS:
        lines += struct(entry)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(declarations(), end="")
