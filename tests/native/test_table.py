"""The table from pointers to numbers, against a dictionary."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fournil._native.table import PointerTable

# As objects lie in memory, few enough to meet again; and all that a pointer can be, but NULL.
NEAR = st.integers(1, 400).map(lambda number: 0x7F0000000000 + 16 * number)
KEYS = NEAR | st.integers(1, 2**64 - 1)
VALUES = st.integers(0, 2**63 - 1)


class AgainstADictionary(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.table = PointerTable()
        self.expected: dict[int, int] = {}

    @rule(key=KEYS, value=VALUES)
    def put(self, key: int, value: int) -> None:
        self.table._put(key, value)
        self.expected[key] = value

    @rule(key=KEYS)
    def remove(self, key: int) -> None:
        self.table._remove(key)
        self.expected.pop(key, None)

    @rule(data=st.data())
    def remove_one_that_is_there(self, data: st.DataObject) -> None:
        if self.expected:
            self.remove(data.draw(st.sampled_from(sorted(self.expected))))

    @rule(key=KEYS)
    def get(self, key: int) -> None:
        assert self.table._get(key) == self.expected.get(key, -1)

    @invariant()
    def all_are_there(self) -> None:
        assert len(self.table) == len(self.expected)
        for key, value in self.expected.items():
            assert self.table._get(key) == value


AgainstADictionary.TestCase.settings = settings(max_examples=50, deadline=None)
TestAgainstADictionary = AgainstADictionary.TestCase


@settings(max_examples=20, deadline=None)
@given(st.lists(KEYS, unique=True, min_size=200, max_size=600), st.randoms())
def test_many(keys: list[int], random: st.random.Random) -> None:  # type: ignore[name-defined]
    table = PointerTable()
    for value, key in enumerate(keys):
        table._put(key, value)
    removed = set(random.sample(keys, len(keys) // 2))
    for key in removed:
        table._remove(key)
    assert len(table) == len(keys) - len(removed)
    for value, key in enumerate(keys):
        assert table._get(key) == (-1 if key in removed else value)


def test_keys_that_share_a_home() -> None:
    # The hash takes the middle bits of a product; these keys differ above them only.
    table = PointerTable()
    keys = [1 << 4 | n << 60 for n in range(16)]
    for n, key in enumerate(keys):
        table._put(key, n)
    for n in (3, 0, 15, 7):
        table._remove(keys[n])
    assert [table._get(key) for key in keys] == [-1 if n in (3, 0, 15, 7) else n for n in range(16)]
