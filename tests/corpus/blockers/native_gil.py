"""On the CPU, in C code that keeps the GIL: each blocks in one call."""

from __future__ import annotations

import collections
import gc
import itertools
import json
import math
import pickle
import random
import re

from tests.corpus.blocker import Blocker, Body


def orders(amount: float) -> list[dict[str, object]]:
    return [
        {"id": number, "bread": f"rye {number}", "price": number / 7}
        for number in range(round(amount))
    ]


def regex(amount: float) -> Body:
    # Each further character doubles the ways to split the text.
    text = "a" * round(math.log2(amount)) + "b"
    pattern = re.compile(r"(a+)+$")
    yield
    pattern.match(text)  # blocks


def sorted_floats(amount: float) -> Body:
    numbers = [random.random() for _ in range(round(amount))]
    yield
    _ = sorted(numbers)  # blocks
    yield


def sort_strings(amount: float) -> Body:
    names = [str(random.random()) for _ in range(round(amount))]
    yield
    names.sort()  # blocks
    yield


def json_dumps(amount: float) -> Body:
    document = orders(amount)
    yield
    _ = json.dumps(document)  # blocks
    yield


def json_loads(amount: float) -> Body:
    text = json.dumps(orders(amount))
    yield
    _ = json.loads(text)  # blocks
    yield


def pickle_dumps(amount: float) -> Body:
    document = orders(amount)
    yield
    _ = pickle.dumps(document)  # blocks
    yield


def integer_power(amount: float) -> Body:
    exponent = round(amount)
    yield
    _ = 3**exponent  # blocks


def factorial(amount: float) -> Body:
    number = round(amount)
    yield
    math.factorial(number)  # blocks


def list_sum(amount: float) -> Body:
    numbers = itertools.repeat(1.5, round(amount))
    yield
    sum(numbers)  # blocks


def exhaust(amount: float) -> Body:
    pairs = itertools.combinations(range(round(amount)), 2)
    yield
    collections.deque(pairs, maxlen=0)  # blocks


def count_bytes(amount: float) -> Body:
    data = b"abcab" * round(amount)
    yield
    data.count(b"abcac")  # blocks


def replace_text(amount: float) -> Body:
    text = "rye, wheat; " * round(amount)
    yield
    _ = text.replace("wheat", "spelt and barley")  # blocks
    yield


def set_union(amount: float) -> Body:
    size = round(amount)
    left, right = set(range(0, 2 * size, 2)), set(range(1, 3 * size, 3))
    yield
    _ = left | right  # blocks
    yield


def counting(amount: float) -> Body:
    words = [str(random.randrange(10_000)) for _ in range(round(amount))]
    yield
    collections.Counter(words)  # blocks
    yield


def garbage_collection(amount: float) -> Body:
    document = [[number] for number in range(round(amount))]
    yield
    gc.collect()  # blocks
    yield
    document.clear()


BLOCKERS = [
    Blocker(regex, "native-gil", unit=1 << 10, everywhere=True),
    Blocker(sorted_floats, "native-gil", unit=1_000, everywhere=True),
    Blocker(sort_strings, "native-gil", unit=1_000),
    Blocker(json_dumps, "native-gil", unit=100, everywhere=True),
    Blocker(json_loads, "native-gil", unit=100),
    Blocker(pickle_dumps, "native-gil", unit=100),
    Blocker(integer_power, "native-gil", unit=1_000, power=1.58, everywhere=True),
    Blocker(factorial, "native-gil", unit=1_000, power=1.8),
    Blocker(list_sum, "native-gil", unit=10_000),
    Blocker(exhaust, "native-gil", unit=100, power=2),
    Blocker(count_bytes, "native-gil", unit=10_000),
    Blocker(replace_text, "native-gil", unit=1_000),
    Blocker(set_union, "native-gil", unit=10_000),
    Blocker(counting, "native-gil", unit=1_000),
    Blocker(garbage_collection, "native-gil", unit=1_000),
]
