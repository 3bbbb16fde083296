"""The harness sees each way in which a test can end, and loses no test to another's end."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from tests.conformance.running import Outcomes, run_module
from tests.conformance.suite import Suite

MODULES = {
    "test_ways": """
        import asyncio, os, signal, threading, unittest

        class Ways(unittest.TestCase):
            def test_a_passes(self):
                asyncio.new_event_loop().close()
            def test_b_fails(self):
                self.assertEqual(1, 2)
            def test_c_raises(self):
                raise LookupError("lost")
            def test_d_fails_in_part(self):
                for number in range(3):
                    with self.subTest(number=number):
                        self.assertNotEqual(number, 1)
            @unittest.skip("not today")
            def test_e_skips(self):
                pass
            @unittest.expectedFailure
            def test_f_fails_as_expected(self):
                self.fail()
            @unittest.expectedFailure
            def test_g_passes_unexpectedly(self):
                pass
            def test_h_dies(self):
                os.kill(os.getpid(), signal.SIGKILL)
            def test_i_exits(self):
                os._exit(3)
            def test_j_hangs(self):
                threading.Event().wait()
            def test_k_passes(self):
                pass
    """,
    "test_set_up": """
        import unittest

        class Broken(unittest.TestCase):
            @classmethod
            def setUpClass(cls):
                raise LookupError("nothing here")
            def test(self):
                pass

        class Sound(unittest.TestCase):
            def test(self):
                pass
    """,
    "test_elsewhere": """
        import unittest
        raise unittest.SkipTest("another system's")
    """,
    "test_unloadable": """
        import nothing_of_this_name
    """,
    "test_end": """
        import atexit, os, unittest
        atexit.register(os._exit, 4)

        class Fine(unittest.TestCase):
            def test(self):
                pass
    """,
}


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    package = tmp_path / "toy_suite"
    package.mkdir()
    for name, text in {"__init__": "", **MODULES}.items():
        (package / f"{name}.py").write_text(textwrap.dedent(text))
    return Suite("toy_suite", str(tmp_path), seconds=2.0)


def states(outcomes: Outcomes) -> dict[str, str]:
    return {test: outcome.state for test, outcome in outcomes.items()}


def test_ways_to_end(suite: Suite) -> None:
    outcomes = run_module("test_ways", "fournil", suite=suite)
    assert states(outcomes) == {
        "test_ways.Ways.test_a_passes": "passed",
        "test_ways.Ways.test_b_fails": "failed",
        "test_ways.Ways.test_c_raises": "failed",
        "test_ways.Ways.test_d_fails_in_part": "failed",
        "test_ways.Ways.test_e_skips": "skipped",
        "test_ways.Ways.test_f_fails_as_expected": "failed as expected",
        "test_ways.Ways.test_g_passes_unexpectedly": "failed",
        "test_ways.Ways.test_h_dies": "crashed",
        "test_ways.Ways.test_i_exits": "crashed",
        "test_ways.Ways.test_j_hangs": "hung",
        "test_ways.Ways.test_k_passes": "passed",
    }
    assert outcomes["test_ways.Ways.test_c_raises"].last_line == "LookupError: lost"
    assert "SIGKILL" in outcomes["test_ways.Ways.test_h_dies"].last_line
    assert "status 3" in outcomes["test_ways.Ways.test_i_exits"].last_line
    assert "in test_j_hangs" in outcomes["test_ways.Ways.test_j_hangs"].detail


@pytest.mark.parametrize(("loop", "made"), [("asyncio", 0), ("fournil", 1)])
def test_loops_are_ours(suite: Suite, loop: str, made: int) -> None:
    outcomes = run_module("test_ways", loop, ["test_ways.Ways.test_a_passes"], suite)
    assert [outcome.loops for outcome in outcomes.values()] == [made]


def test_only_some(suite: Suite) -> None:
    outcomes = run_module("test_set_up", "asyncio", ["test_set_up.Sound"], suite)
    assert states(outcomes) == {"test_set_up.Sound.test": "passed"}


def test_set_up_fails(suite: Suite) -> None:
    outcomes = run_module("test_set_up", "asyncio", suite=suite)
    assert states(outcomes) == {
        "setUpClass (test_set_up.Broken)": "failed",
        "test_set_up.Broken.test": "not run",
        "test_set_up.Sound.test": "passed",
    }


def test_module_for_another_system(suite: Suite) -> None:
    assert run_module("test_elsewhere", "asyncio", suite=suite) == {}


def test_module_cannot_be_loaded(suite: Suite) -> None:
    [outcome] = run_module("test_unloadable", "asyncio", suite=suite).values()
    assert outcome.state == "failed"
    assert "nothing_of_this_name" in outcome.detail


def test_interpreter_ends_badly(suite: Suite) -> None:
    outcomes = run_module("test_end", "asyncio", suite=suite)
    assert states(outcomes) == {"test_end.Fine.test": "passed", "test_end (end)": "crashed"}


def test_missing() -> None:
    assert "no nothing_here.tests;" in (Suite("nothing_here.tests").missing() or "")
    assert Suite("nothing_here.tests").modules() == []
