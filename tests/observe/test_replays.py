"""Replays of any program: the recorded run stays itself, the mended one is predicted."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings, strategies as st

from tests.observe.toyloop import Block, Program, Sleep
from tests.observe.toyprograms import AWAIT, all_of, mended, predicted, recorded

seconds = st.sampled_from([0.0, 0.003, 0.01, 0.02, 0.05, 0.1])
# What is asked may come while the loop is blocked; then its time is but estimated.
action = st.one_of(
    st.builds(Block, st.sampled_from([0.02, 0.05, 0.1])),
    st.builds(Sleep, seconds),
)
# Actions one after the other; a list among them has children that run beside each other.
Tree = list[Any]

tree: st.SearchStrategy[Tree] = st.recursive(
    st.lists(action, min_size=1, max_size=4),
    lambda children: st.lists(
        st.one_of(action, st.lists(children, min_size=1, max_size=3)), min_size=1, max_size=4
    ),
    max_leaves=12,
)


def grow(tree: Tree) -> Program:
    for node in tree:
        if isinstance(node, list):
            yield from all_of(*(partial(grow, child) for child in node))
        else:
            yield node


# The second child's timer is due while the turn polls in which it wakes the first.
DUE_IN_POLL: Tree = [
    Block(0.02),
    [
        [[[Sleep(0.003)], [Sleep(0.0)]], Block(0.02)],
        [[[Sleep(0.003), Sleep(0.003)]]],
    ],
]


class TestAnyProgram:
    @given(tree)
    @example(DUE_IN_POLL)
    @settings(max_examples=150, deadline=None)
    def test_nothing_moved_is_the_recorded_run(self, tree: Tree) -> None:
        model, loop = recorded(lambda: grow(tree))
        outcome = model.outcome({})
        assert outcome.run_s == pytest.approx(loop.now, rel=0.05, abs=0.001)
        assert outcome.busy_s == pytest.approx(sum(step.duration for step in loop.steps), rel=0.01)

    @given(tree)
    @settings(max_examples=150, deadline=None)
    def test_all_moved_is_the_mended_program(self, tree: Tree) -> None:
        truth = mended(lambda: grow(tree))
        assert predicted(lambda: grow(tree)).run_s == pytest.approx(truth, rel=0.05, abs=0.002)

    @given(tree, st.data())
    @settings(max_examples=150, deadline=None)
    def test_moving_more_makes_the_loop_no_busier(self, tree: Tree, data: st.DataObject) -> None:
        model, loop = recorded(lambda: grow(tree))
        order = data.draw(st.permutations(loop.blocked))
        busy = [
            model.outcome(dict.fromkeys(order[:count], AWAIT)).busy_s
            for count in range(len(order) + 1)
        ]
        assert all(more <= less + 1e-9 for less, more in pairwise(busy))

    @given(tree)
    @settings(max_examples=150, deadline=None)
    def test_moving_does_not_make_the_run_longer(self, tree: Tree) -> None:
        model, loop = recorded(lambda: grow(tree))
        handover = 2e-4 * len(loop.blocked)
        assert predicted(lambda: grow(tree)).run_s <= loop.now + handover + 0.002
        assert model.run_time({}) <= loop.now + 0.002
