"""On the CPU, in Python code: the GIL is given up whenever another thread asks for it."""

from __future__ import annotations

import copy
import difflib
import html.parser
import math
import re

from tests.corpus.blocker import Blocker, Body


def for_loop(amount: float) -> Body:
    total = 0
    yield
    for number in range(round(amount)):
        total += (number * number % 7) * (number ^ 3) + number // 5 - (number & 15)  # blocks


def nested_loops(amount: float) -> Body:
    size = round(amount)
    left = [[float(row + column) for column in range(size)] for row in range(size)]
    product = [[0.0] * size for _ in range(size)]
    yield
    for row in range(size):
        for column in range(size):
            for k in range(size):
                product[row][column] += left[row][k] * left[k][column] + left[k][row]  # blocks


def recursion(amount: float) -> Body:
    def fibonacci(n: int) -> int:
        return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)  # blocks

    number = round(math.log(amount, 1.618))
    yield
    fibonacci(number)


def comprehension(amount: float) -> Body:
    numbers = range(round(amount))
    yield
    _ = [number * number % 7 for number in numbers if number % 3 and number % 5]  # blocks
    yield


def generator(amount: float) -> Body:
    numbers = range(round(amount))
    yield
    sum(number * number % 7 for number in numbers)  # blocks


def string_building(amount: float) -> Body:
    text = ""
    yield
    for number in range(round(amount)):
        text += f"{number:08x}, {number % 7}, {number / 3:.3f};"  # blocks


def attributes(amount: float) -> Body:
    class Point:
        def __init__(self) -> None:
            self.x = self.y = self.z = 0

    point = Point()
    yield
    for _ in range(round(amount)):
        point.x, point.y, point.z = point.y + 1, point.z + point.x % 3, point.x  # blocks


def sorted_with_key(amount: float) -> Body:
    def key(number: int) -> int:
        # Nearly in order, so that sorting takes little time beside the keys.
        return number + sum(divmod(number * 7919 % 31, 7)) - max(number % 13, number % 7)  # blocks

    numbers = range(round(amount))
    yield
    sorted(numbers, key=key)


def parser(amount: float) -> Body:
    text = "<p class='bread'>rye &amp; <b>wheat</b></p>\n" * round(amount)
    yield
    html.parser.HTMLParser().feed(text)  # blocks


def difference(amount: float) -> Body:
    left = [f"line {number % 97}" for number in range(round(amount))]
    right = [f"line {number * 2 % 97}" for number in range(round(amount))]
    matcher = difflib.SequenceMatcher(None, left, right, autojunk=False)
    yield
    matcher.ratio()  # blocks


def deepcopy(amount: float) -> Body:
    orders = [{"bread": ["rye", "wheat"], "count": number} for number in range(round(amount))]
    yield
    _ = copy.deepcopy(orders)  # blocks
    yield


def substitute_by_function(amount: float) -> Body:
    def digits(match: re.Match[str]) -> str:
        return "".join(str(int(digit) * 7 % 10) for digit in match[0] * 2)  # blocks

    text = " ".join(map(str, range(round(amount))))
    pattern = re.compile(r"\d+")
    yield
    pattern.sub(digits, text)


BLOCKERS = [
    Blocker(for_loop, "python", unit=1_000, everywhere=True),
    Blocker(nested_loops, "python", unit=10, power=3),
    Blocker(recursion, "python", unit=1_000, everywhere=True),
    Blocker(comprehension, "python", unit=1_000, everywhere=True),
    Blocker(generator, "python", unit=1_000),
    Blocker(string_building, "python", unit=1_000),
    Blocker(attributes, "python", unit=1_000),
    Blocker(sorted_with_key, "python", unit=1_000, everywhere=True),
    Blocker(parser, "python", unit=10),
    Blocker(difference, "python", unit=100, power=2),
    Blocker(deepcopy, "python", unit=100),
    Blocker(substitute_by_function, "python", unit=1_000),
]
