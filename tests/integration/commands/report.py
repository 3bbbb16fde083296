"""What a report must say of a command: both places of `apps/work.py` first, and nothing amiss."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

APPS = Path(__file__).parent / "apps"
WORK = APPS / "work.py"

CLASSES = {"waits": "waiting", "computes": "python"}


def lines(mark: str) -> list[int]:
    text = WORK.read_text().splitlines()
    return [number for number, line in enumerate(text, 1) if line.endswith(f"# {mark}")]


def environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(APPS), os.environ.get("PYTHONPATH")]))
    return os.environ | {"PYTHONPATH": path}


def wrong(report: Path, pid: int, *, routes: bool = False) -> str:
    """Return what is wrong with a report; "" where it is right.

    Args:
        report: the file of it, as JSON.
        pid: of the process that was `fournil run`.
        routes: whether it must say which routes were served there.
    """
    if not report.exists():
        return "there is no report"
    told = json.loads(report.read_text())
    # On a busy machine, what blocks is told as well to have had no processor.
    entries = [entry for entry in told["blocked"] if entry["class"] != "starved"]
    found = {name: place(entries[:2], name) for name in CLASSES}
    missing = [name for name, is_there in found.items() if not is_there]
    if missing:
        first = [(one["class"], one["file"], one["line"]) for one in entries[:3]]
        return f"the line that {' and that '.join(missing)} is not first; first are {first}"
    named = {served["route"] for entry in entries[:2] for served in entry["serves"]}
    if routes and named != {f"GET /{name}" for name in CLASSES}:
        return f"the routes are told as {named}"
    if told["not_seen"]:
        return f"not seen: {told['not_seen']}"
    left = [name for name in os.listdir("/dev/shm") if name.startswith(f"fournil-run-{pid}-")]
    return f"left in shared memory: {left}" if left else ""


def place(entries: list[dict[str, Any]], name: str) -> bool:
    return any(
        entry["class"] == CLASSES[name]
        and entry["line"] in lines(name)
        and entry["file"] == str(WORK)
        for entry in entries
    )
