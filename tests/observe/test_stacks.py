"""Stacks: parsing, cutting at the loop, and whose code a file is."""

from __future__ import annotations

import pytest

from fournil.evidence.ownership import Ownership
from fournil.evidence.stacks import Frame, parse
from fournil.observe.recording.model import Meta
from tests.observe.builder import APP, FOURNIL, PACKAGES, PROJECT, STDLIB

OWNERSHIP = Ownership(
    Meta(main=APP, stdlib_roots=(STDLIB,), package_roots=(PACKAGES,), fournil_roots=(FOURNIL,))
)
LOOP = Frame(f"{FOURNIL}/loop.py", 40, "run_forever")
HANDLER = Frame(APP, 7, "handler")
CLIENT = Frame(f"{PACKAGES}/requests/api.py", 73, "get")
SOCKET = Frame(f"{STDLIB}/socket.py", 706, "readinto")


def test_a_stack_is_lines_of_file_line_and_function() -> None:
    text = "a.py\x1f7\x1fmain\nb c.py\x1f12\x1f<module>\n"
    assert parse(text) == (Frame("a.py", 7, "main"), Frame("b c.py", 12, "<module>"))


@pytest.mark.parametrize("line", ["", "-1", "x", "9" * 5_000, "\u0663", " 1"])
def test_a_line_that_is_no_number_is_line_zero(line: str) -> None:
    assert parse(f"a.py\x1f{line}\x1ff\n") == (Frame("a.py", 0, "f"),)


def test_lines_that_are_no_frames_are_left_out() -> None:
    assert parse("half a li\na.py\x1f1\x1ff\n\x1f\x1f\x1f\n") == (Frame("a.py", 1, "f"),)


def test_a_stack_is_cut_where_the_loop_called_the_step() -> None:
    frames = (SOCKET, HANDLER, LOOP, Frame(APP, 99, "<module>"))
    assert OWNERSHIP.inside_step(frames) == (SOCKET, HANDLER)


def test_a_qualified_name_of_the_loop_is_known_as_well() -> None:
    assert OWNERSHIP.inside_step((HANDLER, LOOP._replace(function="EventLoop.run_forever"))) == (
        HANDLER,
    )


def test_a_run_forever_of_the_users_own_does_not_cut() -> None:
    frames = (HANDLER, Frame("/home/ada/bakery/loop.py", 3, "run_forever"))
    assert OWNERSHIP.inside_step(frames) == frames


def test_only_the_innermost_loop_cuts() -> None:
    frames = (HANDLER, LOOP, CLIENT, LOOP)
    assert OWNERSHIP.inside_step(frames) == (HANDLER,)


@pytest.mark.parametrize(
    ("file", "is_own"),
    [
        (APP, True),
        ("<stdin>", True),
        ("<ipython-input-3-1a2b>", True),
        ("<string>", False),  # what `exec` ran, the methods of a dataclass
        ("<template>", False),
        ("<attrs generated init app.Job>", False),
        (f"{PROJECT}/templates/list.html", False),
        ("/srv/other.py", True),
        (f"{STDLIB}er/x.py", True),
        (f"{STDLIB}/socket.py", False),
        (f"{PACKAGES}/requests/api.py", False),
        (f"{FOURNIL}/loop.py", False),
        ("<frozen importlib._bootstrap>", False),
    ],
)
def test_the_users_own_code_lies_outside_the_roots(file: str, is_own: bool) -> None:
    assert OWNERSHIP.is_own(file) is is_own


def test_the_main_program_is_the_users_wherever_it_lies() -> None:
    main = f"{PACKAGES}/tool/__main__.py"
    ownership = Ownership(Meta(main=main, package_roots=(PACKAGES,)))
    assert ownership.is_own(main)
    assert not ownership.is_own(f"{PACKAGES}/tool/other.py")


def test_the_culprit_is_the_innermost_frame_of_the_users_own() -> None:
    assert OWNERSHIP.innermost_own((SOCKET, CLIENT, HANDLER, Frame(APP, 9, "outer"))) == HANDLER


def test_without_a_frame_of_the_users_the_innermost_of_a_package_stands() -> None:
    other = Frame(f"{STDLIB}/ssl.py", 3, "read")
    assert OWNERSHIP.innermost_own((SOCKET, CLIENT)) == CLIENT
    assert OWNERSHIP.innermost_own((SOCKET, other)) == SOCKET
    assert OWNERSHIP.innermost_own(()) is None


@pytest.mark.parametrize(
    ("file", "is_own"),
    [
        ("shop/api.py", True),
        ("shop/db/models.py", True),
        ("shopping/api.py", False),
        ("tools.py", True),
        ("tools_more.py", False),
        ("acme/cloud/queue.py", True),
        ("acme/other.py", False),
        ("fast.cpython-311-x86_64-linux-gnu.so", True),
    ],
)
def test_a_package_that_is_named_is_the_users_own(file: str, is_own: bool) -> None:
    mine = ("shop", "tools", "acme.cloud", "fast")
    ownership = Ownership(Meta(package_roots=(PACKAGES,), stdlib_roots=(STDLIB,), mine=mine))
    assert ownership.is_own(f"{PACKAGES}/{file}") == is_own


@pytest.mark.parametrize(
    ("module", "file", "is_own"),
    [
        ("shop", "shop/api.py", True),
        ("shop.main", "shop/api.py", True),
        ("tool", "tool.py", True),
        # These run what is another's.
        ("uvicorn", "uvicorn/server.py", False),
        ("gunicorn.app.wsgiapp", "gunicorn/arbiter.py", False),
        ("pytest", "pytest/__init__.py", False),
    ],
)
def test_a_module_that_is_run_is_the_users_own(module: str, file: str, is_own: bool) -> None:
    ownership = Ownership(Meta(package_roots=(PACKAGES,), module=module))
    assert ownership.is_own(f"{PACKAGES}/{file}") == is_own


def test_a_module_of_the_standard_library_that_is_run_stays_pythons() -> None:
    meta = Meta(stdlib_roots=(STDLIB,), package_roots=(PACKAGES,), module="unittest")
    assert not Ownership(meta).is_own(f"{STDLIB}/unittest/case.py")


@pytest.mark.parametrize(
    "file",
    [
        f"{STDLIB}/bdb.py",
        f"{STDLIB}/code.py",
        f"{PACKAGES}/IPython/terminal/embed.py",
        f"{PACKAGES}/debugpy/server/api.py",
        f"{PACKAGES}/_pydevd_bundle/pydevd_frame.py",
    ],
)
def test_a_debugger_is_told_from_the_program(file: str) -> None:
    assert OWNERSHIP.is_debugger((Frame(file, 9, "user_line"), HANDLER))
    assert not OWNERSHIP.is_debugger((CLIENT, HANDLER, Frame(f"{PROJECT}/bdb.py", 1, "f")))


def test_a_librarys_path_is_shown_as_its_users_know_it() -> None:
    assert OWNERSHIP.short_path(CLIENT.file) == "requests/api.py"
    assert OWNERSHIP.short_path(SOCKET.file) == "socket.py"
    assert OWNERSHIP.short_path(APP) == APP


@pytest.mark.parametrize(
    ("file", "own", "programs"),
    [
        (APP, True, True),
        (f"{PACKAGES}/requests/api.py", False, True),
        (f"{STDLIB}/asyncio/streams.py", False, False),
        (f"{FOURNIL}/loop.py", False, False),
        ("src/fournil/_native/stream.pyx", False, False),
        ("<frozen importlib._bootstrap>", False, False),
    ],
)
def test_whose_a_file_is(file: str, own: bool, programs: bool) -> None:
    assert (OWNERSHIP.is_own(file), OWNERSHIP.is_programs(file)) == (own, programs)


def test_a_command_is_the_users_own() -> None:
    assert Ownership(Meta(argv=("python", "-c", "main()"))).is_own("<string>")
    assert not Ownership(Meta(argv=("python", "-m", "app"))).is_own("<string>")
