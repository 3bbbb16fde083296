"""Commands that cannot be: what is said of the one that was meant."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import fournil
from fournil.cli import hints
from fournil.launch.order import Kind
from tests.cli.test_run import refused
from tests.launch.running import run, write

FOURNIL = (sys.executable, "-m", "fournil")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write(
        tmp_path,
        {
            "app.py": "import sys; print(*sys.argv)",
            "tool": "#!/usr/bin/env python3",
            "shop/main.py": "",
            "shop/till.py": "",
            "one/only.py": "",
            "two/first.py": "",
            "two/second.py": "",
            "ready/__main__.py": "",
            "bin/elsewhere": "#!/opt/other/bin/python3.12\n",
            "bin/far": "#!/bin/sh\n'''exec' /opt/very/long/bin/python3 \"$0\" \"$@\"\n",
            "bin/shell": "#!/bin/sh\nexec python app.py\n",
        },
    )
    for path in (tmp_path / "bin").iterdir():
        path.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("app.py", "fournil run app.py"),
        ("./app.py -x 1", "fournil run ./app.py -x 1"),
        ("shop", "fournil run shop"),
        ("ap.py", "fournil run app.py"),
        ("python app.py", "fournil run app.py"),
        ("uvicorn app:app", "fournil run -m uvicorn app:app"),
        ("-m uvicorn app:app", "fournil run -m uvicorn app:app"),
        ("-muvicorn app:app", "fournil run -muvicorn app:app"),
        ("-c pass", "fournil run -c pass"),
        ("--json x app.py", "fournil run --json x app.py"),
        ("--threshold=1s app.py", "fournil run --threshold=1s app.py"),
        ("--no-report --json x run app.py", "fournil run --no-report --json x app.py"),
        ("--json=x report kept", "fournil report --json=x kept"),
        ("--json", "fournil run --json"),
        ("rnu app.py", "fournil run app.py"),
        ("reprot x", "fournil report x"),
        ("version", "fournil --version"),
        ("-V", "fournil --version"),
        ("help", "fournil --help"),
        ("help run", "fournil run --help"),
    ],
)
def test_commands(typed: str, meant: str) -> None:
    assert hints.for_words(typed.split()) == f"did you mean `{meant}`?"


def test_a_recording_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "shop.fournil"
    with fournil.Recorder(path):
        pass
    assert hints.for_words([str(path)]) == f"did you mean `fournil report {path}`?"


def test_a_recording_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "shop.fournil"
    with fournil.Recorder(path):
        pass
    done = run([*FOURNIL, "run", "shop.fournil"], cwd=tmp_path)
    assert done.stderr.endswith("fournil: did you mean `fournil report shop.fournil`?\n")


def test_to_record_is_to_run() -> None:
    assert hints.for_words(["record", "x.py"]) == "did you mean `fournil run x.py`?"


def test_commands_that_are_like_nothing() -> None:
    assert hints.for_words(["--bake"]) is None


@pytest.mark.parametrize(
    ("kind", "typed", "meant"),
    [
        ("script", "uvicorn app:app --port 80", "fournil run -m uvicorn app:app --port 80"),
        ("script", "app", "fournil run app.py"),
        ("script", "appp.py x", "fournil run app.py x"),
        ("script", "shop/tll.py", "fournil run shop/till.py"),
        ("script", "shop", "fournil run shop/main.py"),
        ("script", "one", "fournil run one/only.py"),
        ("script", "app:main", "fournil run -m uvicorn app:main"),
        ("script", "app.py:main x", "fournil run -m uvicorn app:main x"),
        ("script", "python app.py", "fournil run app.py"),
        ("script", "python3.12 -m shop", "fournil run -m shop"),
        ("script", "/usr/bin/python3 -X dev app.py", "python -X dev -m fournil run app.py"),
        ("module", "app.py", "fournil run app.py"),
        ("module", "tool", "fournil run tool"),
        ("module", "shop", "fournil run shop/main.py"),
    ],
)  # fmt: skip
def test_programs(kind: Kind, typed: str, meant: str) -> None:
    target, *arguments = typed.split()
    assert hints.for_program(kind, target, arguments) == f"did you mean `{meant}`?"


def test_a_command_and_its_arguments_in_one_word() -> None:
    assert (
        hints.for_program("script", "app.py -x", ["y"]) == "did you mean `fournil run app.py -x y`?"
    )


def test_commands_of_this_python(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, {"env/bin/bake-bread": f"#!{folder}/env/bin/python\n"})
    monkeypatch.setattr(sys, "executable", f"{folder}/env/bin/python")
    assert hints.for_program("script", "bake-bread", ["x"]) == (
        f"did you mean `fournil run {folder}/env/bin/bake-bread x`?"
    )


@pytest.mark.parametrize("kind", ["script", "module"])
@pytest.mark.parametrize(
    ("name", "interpreter"),
    [("elsewhere", "/opt/other/bin/python3.12"), ("far", "/opt/very/long/bin/python3")],
)
def test_commands_of_another_python(kind: Kind, name: str, interpreter: str, folder: Path) -> None:
    assert hints.for_program(kind, name, []) == (
        f"{folder}/bin/{name} belongs to another Python, {interpreter}; install Fournil there"
    )


@pytest.mark.parametrize("name", ["shell", "email", "nothing_like_it", "nothing.like.it"])
def test_modules_are_pointed_to(name: str) -> None:
    assert hints.for_program("script", name, ["x"]) == (
        f"a module is run by -m: `fournil run -m {name} x`"
    )


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        ("script", "app.py"),
        ("script", "tool"),
        ("script", "two"),
        ("script", "ready"),
        ("script", "python"),
        ("script", ""),
        ("script", "nothing/like/it.py"),
        ("script", "\udce9.py"),
        ("module", "nothing_like_it"),
        ("module", "two"),
        ("code", "app.py"),
        ("stdin", "-"),
    ],
)
def test_nothing_is_said_where_nothing_is_known(kind: Kind, target: str) -> None:
    assert hints.for_program(kind, target, []) is None


# As they are shown.


def test_unknown_command(folder: Path) -> None:
    done = run([*FOURNIL, "app.py"], cwd=folder)
    refused(done)
    assert done.stderr == "fournil: No such command 'app.py'; did you mean `fournil run app.py`?\n"


def test_unknown_option(folder: Path) -> None:
    refused(run([*FOURNIL, "-m", "shop"], cwd=folder), "'-m'; did you mean `fournil run -m shop`?")
    refused(run([*FOURNIL, "--bake"], cwd=folder), "No such option '--bake'.")


def test_no_such_program(folder: Path) -> None:
    done = run([*FOURNIL, "run", "uvicorn", "app:app"], cwd=folder)
    refused(done)
    assert done.stderr == (
        f"{sys.executable}: can't open file '{folder}/uvicorn':"
        " [Errno 2] No such file or directory\n"
        "fournil: did you mean `fournil run -m uvicorn app:app`?\n"
    )


def test_a_program_that_is_no_python(folder: Path) -> None:
    done = run([*FOURNIL, "run", sys.executable, "app.py"], cwd=folder)
    assert done.status == 1
    assert "SyntaxError" in done.stderr
    assert "did you mean `fournil run app.py`?" in done.stderr


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version_of_run(option: str, folder: Path) -> None:
    refused(run([*FOURNIL, "run", option], cwd=folder), option, "`fournil --version`")


@pytest.mark.parametrize("option", ["-m", "-c", "--record", "--json", "--threshold"])
def test_option_without_its_value(option: str, folder: Path) -> None:
    refused(run([*FOURNIL, "run", option], cwd=folder), f"'{option}' requires an argument")


def test_report_of_a_program(folder: Path) -> None:
    done = run([*FOURNIL, "report", "app.py"], cwd=folder)
    refused(done, "app.py: is not a recording", "did you mean `fournil run app.py`?")


def test_options_that_went_to_the_program(folder: Path) -> None:
    (folder / "strict.py").write_text("import sys; sys.exit('--threshold' in sys.argv and 2)")
    hint = "fournil: the program was given {}; options of `fournil run` go before it\n"
    done = run([*FOURNIL, "run", "app.py", "--threshold", "9ms", "--json=x"], cwd=folder)
    assert done.stdout == "app.py --threshold 9ms --json=x\n"
    assert done.stderr.startswith(hint.format("--threshold, --json=x"))
    done = run([*FOURNIL, "run", "--no-report", "strict.py", "--threshold", "9ms"], cwd=folder)
    assert (done.stderr, done.status) == (hint.format("--threshold"), 2)
    for words in (["app.py", "--threshold", "9ms"], ["app.py", "-m", "x"], ["-c", "pass", "--jsn"]):
        assert run([*FOURNIL, "run", "--no-report", *words], cwd=folder).stderr == ""
