"""Some of the whole programs; `python -m tests.corpus.scripts` runs all of them many times."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.corpus.scripts.script import HARMLESS, Outcome, Script, run, scripts

TRIES = 3

SOME = [
    "waiting/retry_decorator",
    "waiting/lock_of_a_thread",
    "waiting/reload_on_signal",
    "waiting/destructor_closes",
    "python/deepcopy_config",
    "python/sqlite_function",
    "native/digest_of_an_upload",
    "native_gil/json_answer",
    "native_gil/redos_of_a_form",
    "mixed/two_waits",
    "harmless/breakpoint",
    "harmless/long_awaits",
    "harmless/start_up_work",
    "harmless/stopped_while_idle",
    "harmless/worker_processes",
]


@pytest.mark.parametrize("name", SOME)
def test_a_program_is_told_right(name: str) -> None:
    (script,) = (script for script in scripts() if script.name == name)
    # A busy machine may leave the watch no time to look, once or twice.
    outcomes: list[Outcome] = []
    while len(outcomes) < TRIES and not (outcomes and not outcomes[-1].wrong):
        outcomes.append(run(script))
    assert not outcomes[-1].wrong, outcomes


def test_the_corpus_is_large_enough() -> None:
    kinds = Counter(script.path.parent.name for script in scripts())
    assert kinds[HARMLESS] >= 12
    assert kinds.total() - kinds[HARMLESS] >= 90
    assert min(kinds[kind] for kind in ("waiting", "python", "native", "native_gil")) >= 12


@pytest.mark.parametrize("script", scripts(), ids=lambda script: script.name)
def test_each_says_what_is_right(script: Script) -> None:
    assert bool(script.places) != script.is_harmless
