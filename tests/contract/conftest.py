from __future__ import annotations

import gc
import os
import socket
from collections.abc import Iterator

import pytest

import fournil
from fournil.record.layout import MINIMUM_SIZE
from tests.contract import handles
from tests.contract.executors import Held
from tests.contract.loops import LOOPS, Loop, LoopFactory, Reports


@pytest.fixture(autouse=True)
def no_handle_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """With `--count-handles`: fail a test whose loops are closed and still have handles."""
    if not request.config.getoption("count_handles"):
        yield
        return
    gc.collect()
    gc.freeze()  # what is there by now need not be looked through
    yield
    gc.collect()
    left = handles.living()
    gc.unfreeze()
    if left:
        pytest.fail(f"its loops are closed, and these are left: {dict(left)}", pytrace=False)


@pytest.fixture(params=[*LOOPS, "fournil recorded"])
def loop_factory(request: pytest.FixtureRequest) -> Iterator[LoopFactory]:
    """Each loop in turn; Fournil's also while its steps are recorded."""
    if request.param in LOOPS:
        yield LOOPS[request.param]
    else:
        with fournil.Recorder(size=MINIMUM_SIZE, watch=False):
            yield fournil.EventLoop


@pytest.fixture
def loop(loop_factory: LoopFactory) -> Iterator[Loop]:
    """A loop that the test need not close."""
    loop = loop_factory()
    yield loop
    if not loop.is_closed():
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
    loop.set_exception_handler(None)  # which keeps the handles of which it was told


@pytest.fixture
def held(loop: Loop) -> Iterator[Held]:
    """Calls that take all threads of a loop's default executor, until `released` is set."""
    held = Held(loop)
    yield held
    held.released.set()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """The descriptors of a pipe's two ends; the test may close them."""
    ends = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    inodes = [os.fstat(end).st_ino for end in ends]
    yield ends
    for end, inode in zip(ends, inodes, strict=True):
        try:
            # A number that the test closed may belong to another file by now.
            if os.fstat(end).st_ino == inode:
                os.close(end)
        except OSError:
            pass


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two connected sockets that do not block; the test may close them."""
    one, other = socket.socketpair()
    one.setblocking(False)
    other.setblocking(False)
    with one, other:
        yield one, other


@pytest.fixture
def reports(loop: Loop) -> Reports:
    """What the loop's exception handler is told."""
    reports = Reports()
    loop.set_exception_handler(reports)
    return reports
