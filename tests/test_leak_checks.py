"""The leak checks of conftest.py find what they are there for."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

TESTS = """
import os, subprocess, threading, time
import pytest

children = []
stop = threading.Event()

@pytest.fixture(scope="module", autouse=True)
def clean_up():
    yield
    stop.set()
    for child in children:
        child.kill()
        child.wait()

def test_descriptor():
    os.open("/dev/null", os.O_RDONLY)

def test_thread():
    threading.Thread(target=stop.wait, name="idler", daemon=True).start()

def test_child():
    children.append(subprocess.Popen(["sleep", "60"]))

def test_nothing():
    pass

def test_thread_about_to_end():
    threading.Thread(target=time.sleep, args=(0.1,)).start()

def test_a_failure_is_not_blamed_twice():
    os.open("/dev/null", os.O_RDONLY)
    assert False
"""


def test_each_leak_is_named(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(Path(__file__).with_name("conftest.py").read_text())
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=5, failed=1, errors=3)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_descriptor*",
            "left behind by this test:",
            "  file descriptor *: /dev/null",
            "*ERROR at teardown of test_thread*",
            "left behind by this test:",
            "  thread *: idler (*)",
            "*ERROR at teardown of test_child*",
            "left behind by this test:",
            "  child process *: sleep 60",
        ]
    )


HANDLES = """
kept = []

def test_a_handle_is_left(loop):
    kept.append(loop.call_later(1000, print))

def test_none_is_left(loop):
    loop.call_later(1000, print)
"""


def test_handles_are_counted(pytester: pytest.Pytester) -> None:
    contract = Path(__file__).with_name("contract")
    pytester.makeconftest(Path(__file__).with_name("conftest.py").read_text())
    folder = pytester.mkdir("contract")
    (folder / "conftest.py").write_text((contract / "conftest.py").read_text())
    (folder / "test_handles.py").write_text(HANDLES)
    pytester.makeini(f"[pytest]\npythonpath = {contract.parents[1]}")
    pytester.runpytest_subprocess().assert_outcomes(passed=6)
    result = pytester.runpytest_subprocess("--count-handles")
    # Two of the three loops are ours.
    result.assert_outcomes(passed=6, errors=2)
    result.stdout.fnmatch_lines(["*its loops are closed, and these are left: {'TimerHandle': 1}*"])
