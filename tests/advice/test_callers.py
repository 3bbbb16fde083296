"""Where several lines call what blocks, the sentence tells them all, and the edits mend them."""

from __future__ import annotations

from dataclasses import replace
from textwrap import dedent

from fournil.evidence.classify import Blocker
from fournil.observe.advice.callers import say_all
from fournil.observe.advice.edits import apply
from fournil.observe.advice.program import Sources
from fournil.observe.advice.sentence import Said
from fournil.observe.recording.model import BlockedGroup
from tests.observe.builder import APP
from tests.observe.samples import empty
from tests.observe.test_advice import group_of


def said(blocker: Blocker, text: str, *stacks: str) -> tuple[Said, str]:
    """Return what is said of a program that blocked in stacks, as `price 1, buy 2`."""
    text = dedent(text)
    lines = text.splitlines()
    steps = []
    for number, stack in enumerate(stacks):
        frames = []
        for part in stack.split(", "):
            function, mark = part.split()
            (at,) = (at for at, line in enumerate(lines, 1) if line.endswith(f"# {mark}"))
            frames.append((APP, at, function))
        (step,) = group_of(blocker, frames).steps
        steps.append(replace(step, begin_ticks=number, duration_s=0.3 - number / 100))
    group = BlockedGroup(blocker, steps[0].culprit, tuple(steps))
    found = say_all(group, empty(), Sources(lambda file: text if file == APP else ""))
    assert found
    return found, apply(text, found.edits)


PROGRAM = """\
def price(n):
    return sum(i for i in range(n))  # 1
async def buy(n):
    return {buy}  # 2
async def sell(n):
    return {sell}  # 3
async def rest():
    return price(3)
"""


def test_both_lines_are_told_and_mended() -> None:
    text = PROGRAM.format(buy="price(n)", sell="price(n + 1)")
    found, after = said(Blocker.PYTHON, text, "price 1, buy 2", "price 1, sell 3", "price 1, buy 2")
    assert found.text.endswith("The same in `sell` at app.py:6.")
    assert "await fournil.to_process(price, n)  # 2" in after
    assert "await fournil.to_process(price, n + 1)  # 3" in after
    assert after.count("import fournil") == 1
    assert "    return price(3)\n" in after


def test_functions_that_are_written_out_have_names_of_their_own() -> None:
    text = PROGRAM.format(buy="[price(n) for _ in range(n)]", sell="[price(n) for _ in range(9)]")
    _, after = said(Blocker.PYTHON, text, "price 1, buy 2", "price 1, sell 3")
    assert "def work(n):\n    return [price(n) for _ in range(n)]" in after
    assert "def work_2(n):\n    return [price(n) for _ in range(9)]" in after
    assert "await fournil.to_process(work, n)  # 2" in after
    assert "await fournil.to_process(work_2, n)  # 3" in after


def test_where_one_line_cannot_be_mended_none_is() -> None:
    text = PROGRAM.format(buy="price(n)", sell="f'{price(n)}'")
    found, after = said(Blocker.PYTHON, text, "price 1, buy 2", "price 1, sell 3")
    assert "The same in `sell`" in found.text
    assert after == text
