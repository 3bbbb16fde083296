"""What command lines run, and how they run the same under our eyes."""

from __future__ import annotations

import pytest

from fournil.launch.commands import (
    WRAPPERS,
    PythonCommand,
    find_python,
    followed,
    read,
    runs_python,
)
from fournil.launch.order import START, interpreter_flags

COMMANDS = {
    "python app.py": ("script", "app.py", [], []),
    "python app.py -c x": ("script", "app.py", [], ["-c", "x"]),
    "python -u -X dev app.py a": ("script", "app.py", ["-u", "-X", "dev"], ["a"]),
    "python -uXdev -Werror app.py": ("script", "app.py", ["-uXdev", "-Werror"], []),
    "python -uW error app.py": ("script", "app.py", ["-uW", "error"], []),
    "python -m shop -x": ("module", "shop", [], ["-x"]),
    "python -mshop a": ("module", "shop", [], ["a"]),
    "python -ISm shop": ("module", "shop", ["-IS"], []),
    "python -Ic pass a": ("code", "pass", ["-I"], ["a"]),
    "python -cpass": ("code", "pass", [], []),
    "python - a": ("stdin", "-", [], ["a"]),
    "python --check-hash-based-pycs always app.py": (
        "script",
        "app.py",
        ["--check-hash-based-pycs", "always"],
        [],
    ),
}

NO_PROGRAMS = ["python", "python -V", "python -uh", "python --help", "python -x app.py"] + [
    f"python -{option}" for option in ("m", "c", "W", "-")
]


@pytest.mark.parametrize("line", COMMANDS)
def test_what_a_command_line_runs(line: str) -> None:
    words = line.split()
    kind, target, flags, arguments = COMMANDS[line]
    command = read(words)
    assert command is not None
    assert (command.kind, command.target) == (kind, target)
    assert followed(words, command, "{}") == ["python", *flags, START, "{}", target, *arguments]
    assert interpreter_flags(words) == flags


@pytest.mark.parametrize("line", NO_PROGRAMS)
def test_what_runs_no_program(line: str) -> None:
    assert read(line.split()) is None
    assert not runs_python(line.split())


@pytest.mark.parametrize(
    "code",
    [
        "from multiprocessing.resource_tracker import main;main(5)",
        "import sys\nfrom fournil._worker.starting import spawned\n",
    ],
)
def test_helpers_are_a_part_of_their_parent(code: str) -> None:
    command = read(["python", "-c", code])
    assert command is not None
    assert command.is_own()
    assert not runs_python(["python", "-c", code])


def test_another_run_follows_its_own() -> None:
    assert PythonCommand(1, None, "", "module", "fournil", 3).is_own()
    assert not PythonCommand(1, None, "", "script", "fournil", 3).is_own()


def test_a_separator_is_left_where_it_is() -> None:
    assert read(["python", "--", "app.py"]) is None


WRAPPED = {
    "env X=python python3 app.py": 2,
    "env -i /venv/bin/python app.py": 2,
    "env -u python3 -C /tmp python3 app.py": 5,
    "nice -n 9 python3 app.py": 3,
    "nice -n9 python3 app.py": 2,
    "nice --adjustment=9 python3 app.py": 2,
    "nohup python3.12 app.py": 1,
    "setsid -fw python app.py": 2,
    "stdbuf -oL -e 0 python app.py": 4,
    "timeout -k 1 --signal=INT 5m python3 app.py": 5,
}

NOT_WRAPPED = [
    "timeout 5 grep python log.txt",
    "env echo python hello",
    "nice echo install python3 -y vim",
    "nice -n 1 pip download python x",
    "env -i python3 app.py",  # of a path that nobody has set
    "env PATH=/opt/bin python3 app.py",
    "env -S python3 app.py",
    "timeout 5 sh -c python3",
    "taskset 3 python3 app.py",
    "nice",
    "timeout -k",
]


@pytest.mark.parametrize(("words", "at"), WRAPPED.items())
def test_programs_that_run_others(words: str, at: int) -> None:
    split = words.split()
    assert find_python(split, lambda word: True) == at
    assert find_python(["/usr/bin/" + split[0], *split[1:]], lambda word: True) == at
    assert find_python(split, lambda word: False) is None
    assert runs_python(split)


@pytest.mark.parametrize("words", NOT_WRAPPED)
def test_words_that_only_look_like_a_python(words: str) -> None:
    assert find_python(words.split(), lambda word: True) is None


def test_all_that_run_others_are_tried() -> None:
    assert {words.split()[0] for words in WRAPPED} == set(WRAPPERS)


@pytest.mark.parametrize(
    ("words", "runs"),
    [
        (["sh", "-c", "cd x && python app.py"], True),
        (["bash", "-lc", "exec /opt/bin/python3.9 -m shop"], True),
        (["sh", "-c", "echo pythonic; ls python-3"], False),
        (["env", "ls"], False),
        (["env", "sh", "-c", "ls"], False),
        (["/opt/python3.9", "app.py"], True),
        (["pypy3", "app.py"], True),
        (["git", "log"], False),
        ([], False),
    ],
)
def test_what_looks_like_another_python(words: list[str], runs: bool) -> None:
    assert runs_python(words) == runs
