"""What goes from the supervisor to the program's process, and the interpreter's options."""

from __future__ import annotations

import pytest

from fournil.launch.order import START, Order, interpreter_flags


def order(**changes: object) -> Order:
    return Order("script", "app.py", "/dev/shm/x", "", 0.05, 1 << 25)._replace(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "given",
    [
        order(),
        order(kind="code", target="print('é')\n\udcff\"\\"),
        order(kind="module", target="a.b", final="/tmp/a b", threshold=1e-3),
    ],
)
def test_there_and_back(given: Order) -> None:
    command = given.command("/bin/python", ["-u"], ["one", "--two"])
    assert command[:3] == ["/bin/python", "-u", START]
    assert Order.parse(*command[3:5]) == given
    assert command[5:] == ["one", "--two"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (order(), ["app.py"]),
        (order(kind="module", target="a.b"), ["-m", "a.b"]),
        (order(kind="code", target="1"), ["-c", "1"]),
        (order(kind="stdin", target="-"), ["-"]),
    ],
)
def test_words(given: Order, words: list[str]) -> None:
    assert given.words() == words


@pytest.mark.parametrize(
    ("command", "flags"),
    [
        ("python", ""),
        ("python /bin/fournil run -u app.py", ""),
        ("python -m fournil run -m x", ""),
        ("python -mfournil", ""),
        ("python -u -O /bin/fournil run", "-u -O"),
        ("python -uOO -m fournil -B", "-uOO"),
        ("python -um fournil", "-u"),
        ("python -umfournil", "-u"),
        ("python -X dev -Xutf8 -m fournil", "-X dev -Xutf8"),
        ("python -uX dev -m fournil", "-uX dev"),
        ("python -W error::UserWarning:m -c pass -u", "-W error::UserWarning:m"),
        ("python -Wmc -m fournil", "-Wmc"),
        ("python --check-hash-based-pycs always -m fournil", "--check-hash-based-pycs always"),
        ("python -- -u", ""),
        ("python - -u", ""),
        ("python -X", "-X "),
    ],
)
def test_interpreter_flags(command: str, flags: str) -> None:
    assert interpreter_flags(command.split()) == (flags.split(" ") if flags else [])
