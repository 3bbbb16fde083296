"""Each private name of the standard library that the launcher relies on, and what for."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path

LAUNCH = Path(__file__).parents[2] / "src" / "fournil" / "launch"

NAMES = {
    "asyncio.unix_events._UnixDefaultEventLoopPolicy": "its factory makes the loops of run()",
    "asyncio._get_running_loop": "a fork in a step goes on in the loop",
    "runpy._Error": "what there is to say about a module that is not there",
    "runpy._get_main_module_details": "replaced: the module was found already",
    "runpy._get_module_details": "replaced: the module was found already",
    "runpy._run_code": "replaced: to find a module and not run it yet",
    "runpy._run_module_as_main": "called: what the interpreter does for -m",
    "subprocess._fork_exec": "replaced: what it starts is followed",
    "warnings._warn_unawaited_coroutine": "wrapped: the interpreter calls it",
}
if sys.version_info >= (3, 13):
    NAMES["linecache._register_code"] = "called: tracebacks show the lines of -c"


def test_there() -> None:
    for name in NAMES:
        module, _, attribute = name.rpartition(".")
        assert hasattr(import_module(module), attribute), name
    policy = import_module("asyncio.unix_events")._UnixDefaultEventLoopPolicy
    assert isinstance(policy._loop_factory, type)


def test_complete() -> None:
    text = "\n".join(path.read_text() for path in LAUNCH.glob("*.py"))
    used = set(
        re.findall(
            r"\b(?:asyncio|runpy|subprocess|warnings|linecache)(?:\.[a-z]\w*)*\._[A-Za-z]\w*", text
        )
    )
    used |= {f"runpy.{name}" for name in re.findall(r'"(_get_\w+)"', text)}
    assert used - {"linecache._register_code"} == NAMES.keys() - {"linecache._register_code"}
