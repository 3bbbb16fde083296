"""Command lines of `fournil run`: those that are right, and that click would say the same."""

from __future__ import annotations

from typing import Any

import click
import pytest

from fournil.cli.options import Options, parse
from fournil.cli.run_command import run_command

RIGHT: dict[str, dict[str, Any]] = {
    "app.py": {"kind": "script", "target": "app.py"},
    "app.py a --json x -m": {"target": "app.py", "arguments": ("a", "--json", "x", "-m")},
    "app.py -- x --": {"target": "app.py", "arguments": ("--", "x", "--")},
    "-- app.py --": {"target": "app.py", "arguments": ("--",)},
    "-- --help": {"target": "--help"},
    "- x": {"kind": "stdin", "target": "-", "arguments": ("x",)},
    "-- -": {"kind": "stdin", "target": "-"},
    "-m pkg": {"kind": "module", "target": "pkg"},
    "-m pkg -c x --help": {"target": "pkg", "arguments": ("-c", "x", "--help")},
    "-mpkg --": {"target": "pkg", "arguments": ("--",)},
    "-m --": {"target": "--"},
    "-m --help": {"target": "--help"},
    "-c pass x": {"kind": "code", "target": "pass", "arguments": ("x",)},
    "-cpass": {"kind": "code", "target": "pass"},
    "-c=1": {"kind": "code", "target": "=1"},
    "--threshold 5ms app.py": {"threshold": 0.005},
    "--threshold=.5s --threshold 20ms app.py": {"threshold": 0.02},
    "--size 128MB app.py": {"size": 128_000_000},
    "--size=.5GiB app.py": {"size": 512 << 20},
    "--record x --json=y --no-report app.py": {"record": "x", "json_to": "y", "no_report": True},
    "--record= --json - app.py": {"record": "", "json_to": "-"},
    "--record --json app.py": {"record": "--json"},
    "--json=a=b app.py": {"json_to": "a=b"},
}

WRONG = [
    "",
    "--",
    "--no-report",
    "--record x",
    "--record",
    "--no-report=1 app.py",
    "--thresh 5ms app.py",
    "--threshold 5 app.py",
    "--threshold -m app",
    "--size 128 app.py",
    "--size 1MiB app.py",
    "--size 65GiB app.py",
    "--size -1GB app.py",
    "--size large app.py",
    "--bake app.py",
    "-x app.py",
    "-m",
    "-c",
    "--version",
]


def as_click_reads(words: list[str]) -> dict[str, Any]:
    return run_command.make_context("run", words).params


@pytest.mark.parametrize("line", RIGHT)
def test_right(line: str) -> None:
    options = parse(line.split())
    assert options is not None
    assert options._asdict().items() >= RIGHT[line].items()
    seen = as_click_reads(line.split())
    assert (options.record, options.json_to) == (seen["record"], seen["json_to"])
    assert options.no_report == seen["no_report"]
    program: tuple[str, ...] = (options.target, *options.arguments)
    match options.kind:
        case "module":
            assert program == (seen["module"], *seen["words"])
        case "code":
            assert program == (seen["code"], *seen["words"])
        case _:
            assert program == seen["words"]


def test_what_is_not_said() -> None:
    assert parse(["app.py"]) == Options(
        "script", "app.py", (), 0.05, 32 << 20, None, None, False, False
    )


@pytest.mark.parametrize("line", WRONG)
def test_wrong(line: str) -> None:
    assert parse(line.split()) is None
    with pytest.raises(click.UsageError):
        run_command.main(line.split(), standalone_mode=False)


@pytest.mark.parametrize("line", ["--help", "--help app.py", "--json x --help"])
def test_help(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert parse(line.split()) is None
    assert run_command.main(line.split(), standalone_mode=False) == 0
    assert capsys.readouterr().out.startswith("Usage: ")


def test_an_empty_word_is_a_program() -> None:
    for words in ([""], ["-m", ""], ["-c", ""]):
        options = parse(words)
        assert options is not None
        assert options.target == ""
