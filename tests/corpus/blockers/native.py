"""On the CPU, in C code that lets the GIL go."""

from __future__ import annotations

import bz2
import hashlib
import lzma
import zlib

import numpy

from tests.corpus.blocker import Blocker, Body


def text_of(size: float) -> bytes:
    """Return something to compress, neither all alike nor random."""
    words = [b"%d loaves of rye; " % (number * number % 9973) for number in range(2_000)]
    text = b"".join(words)
    return (text * (round(size) // len(text) + 1))[: round(size)]


def sha256(amount: float) -> Body:
    data = bytes(round(amount))
    yield
    hashlib.sha256(data)  # blocks


def blake2b(amount: float) -> Body:
    data = bytes(round(amount))
    yield
    hashlib.blake2b(data)  # blocks


def pbkdf2(amount: float) -> Body:
    yield
    hashlib.pbkdf2_hmac("sha256", b"password", b"salt", round(amount))  # blocks


def scrypt(amount: float) -> Body:
    cost = {"n": 1 << 10, "r": 8, "p": round(amount), "maxmem": 1 << 30}
    yield
    hashlib.scrypt(b"password", salt=b"salt", **cost)  # blocks


def zlib_compress(amount: float) -> Body:
    data = text_of(amount)
    yield
    zlib.compress(data, 9)  # blocks


def crc32(amount: float) -> Body:
    data = bytes(round(amount))
    yield
    zlib.crc32(data)  # blocks


def bz2_compress(amount: float) -> Body:
    data = text_of(amount)
    yield
    bz2.compress(data)  # blocks


def lzma_compress(amount: float) -> Body:
    data = text_of(amount)
    yield
    lzma.compress(data)  # blocks


def numpy_sum(amount: float) -> Body:
    # One row in memory, however many are summed.
    rows = numpy.broadcast_to(numpy.random.default_rng(1).random(100_000), (round(amount), 100_000))
    yield
    rows.sum()  # blocks


def numpy_sqrt(amount: float) -> Body:
    rows = numpy.broadcast_to(numpy.random.default_rng(1).random(100_000), (round(amount), 100_000))
    result = numpy.broadcast_to(numpy.empty(100_000), rows.shape)
    result.flags.writeable = True
    yield
    numpy.sqrt(rows, out=result)  # blocks


def numpy_sort(amount: float) -> Body:
    numbers = numpy.random.default_rng(1).random(round(amount))
    yield
    numpy.sort(numbers, kind="stable")  # blocks


def numpy_matmul(amount: float) -> Body:
    size = round(amount)
    left = numpy.random.default_rng(1).random((size, size))
    yield
    _ = left @ left  # blocks


def numpy_power(amount: float) -> Body:
    numbers = numpy.random.default_rng(1).random(round(amount))
    yield
    numpy.power(numbers, 1.37)  # blocks


BLOCKERS = [
    Blocker(sha256, "native", unit=1 << 16, everywhere=True),
    Blocker(blake2b, "native", unit=1 << 16),
    Blocker(pbkdf2, "native", unit=1_000),
    Blocker(scrypt, "native", unit=1),
    Blocker(zlib_compress, "native", unit=1 << 16, everywhere=True),
    Blocker(crc32, "native", unit=1 << 20),
    Blocker(bz2_compress, "native", unit=1 << 16),
    Blocker(lzma_compress, "native", unit=1 << 14),
    Blocker(numpy_sum, "native", unit=10, everywhere=True),
    Blocker(numpy_sqrt, "native", unit=10),
    Blocker(numpy_sort, "native", unit=10_000),
    Blocker(numpy_matmul, "native", unit=100, power=3, everywhere=True),
    Blocker(numpy_power, "native", unit=10_000),
]
