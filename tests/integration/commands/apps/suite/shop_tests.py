"""Tests that run loops."""

import loops
import pytest


@pytest.mark.parametrize("number", range(6))
def test_shop(number):
    loops.run()
