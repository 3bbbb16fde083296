"""What runs is run as it would be unrecorded, and no code of it runs so that it can be named."""

from __future__ import annotations

import asyncio
import collections.abc
import contextlib
import functools
import os
import socket
import sys
import threading
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import fournil
from fournil._native.pools import PoolRecord
from fournil._native.ring import Ring
from tests.recorder.odd import HasNoIdentity, OddString, Recorded, Runs, asked, names, ran

pytestmark = pytest.mark.usefixtures("forget")

# Callbacks.


class Bites(Runs):
    """As a proxy outside of its context."""

    def __getattribute__(self, name: str) -> object:
        asked.append(name)
        raise ZeroDivisionError(name)


class BitesWhereNothingIs(Runs):
    def __getattr__(self, name: str) -> object:
        asked.append(name)
        raise RuntimeError(name)


class Exits(Runs):
    def __getattribute__(self, name: str) -> object:
        asked.append(name)
        raise SystemExit(name)


class Lies(Runs):
    __code__ = "none"
    __module__ = 5  # type: ignore[assignment]

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        asked.append("__class__")
        return types.CodeType


class SaysItIsCode(Runs):
    __class__ = types.CodeType  # type: ignore[assignment]
    __code__ = compile("", "", "exec")


class Meta(type):
    def __getattribute__(cls, name: str) -> Any:
        asked.append(name)
        raise ValueError(name)

    def __hash__(cls) -> int:
        asked.append("hash")
        return 0

    def __eq__(cls, other: object) -> bool:
        asked.append("==")
        return False


class OfAnOddClass(metaclass=Meta):
    def __call__(self, *args: object) -> None:
        ran.append("OfAnOddClass")


class ChangesItsClass:
    def __call__(self, *args: object) -> None:
        ran.append("ChangesItsClass")
        self.__class__ = Runs  # type: ignore[assignment]


def with_odd_code() -> Callable[..., object]:
    def function(*args: object) -> None:
        ran.append("function")

    code = function.__code__
    function.__code__ = code.replace(co_qualname=OddString("odd name"), co_name=OddString("odd"))
    asked.clear()
    return function


def method_of_methods() -> Callable[..., object]:
    method: Any = with_odd_code()
    for number in range(50):
        method = types.MethodType(method, number)
    return method  # type: ignore[no-any-return]


def with_odd_dictionary() -> Callable[..., object]:
    function = Runs()
    vars(function).update(__qualname__=3, __code__=None, __module__=OddString("m"), __wrapped__=7)
    asked.clear()
    return function


def cached() -> Callable[..., object]:
    function = functools.lru_cache(maxsize=0)(lambda *args: ran.append("function"))
    function.__wrapped__ = function
    return function


CALLBACKS: dict[str, tuple[Callable[[], Callable[..., object]], str]] = {
    "attributes that raise": (Bites, f"{__name__}.Bites"),
    "no attributes": (BitesWhereNothingIs, f"{__name__}.BitesWhereNothingIs"),
    "attributes that exit": (Exits, f"{__name__}.Exits"),
    "another class": (Lies, "Lies"),
    "code, as it says": (SaysItIsCode, f"{__name__}.SaysItIsCode"),
    "no identity": (HasNoIdentity, "tests.recorder.odd.HasNoIdentity"),
    "an odd class": (OfAnOddClass, f"{__name__}.OfAnOddClass"),
    "a class that changes": (ChangesItsClass, f"{__name__}.ChangesItsClass"),
    "a partial of one that bites": (lambda: functools.partial(Bites()), f"{__name__}.Bites"),
    "a method of one that bites": (lambda: types.MethodType(Bites(), 1), f"{__name__}.Bites"),
    "names of a string's subclass": (with_odd_code, "odd name"),
    "a method of methods": (method_of_methods, "builtins.method"),
    "an odd dictionary": (with_odd_dictionary, "tests.recorder.odd.Runs"),
    "a cache of itself": (cached, "functools._lru_cache_wrapper"),
}


@pytest.mark.parametrize(("make", "name"), CALLBACKS.values(), ids=CALLBACKS)
def test_callbacks(
    make: Callable[[], Callable[..., object]], name: str, recorded: Recorded
) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        callback = make()
        loop.call_soon(callback)
        loop.call_soon(callback, 1)
        loop.call_soon(functools.partial(callback))
        loop.call_later(0, callback)
        loop.call_soon_threadsafe(callback)
        while len(ran) < 5:
            await asyncio.sleep(0)

    recording = recorded.run(main())
    assert len(ran) == 5
    assert asked == []
    assert name in names(recording)


def test_a_partial_of_itself_is_named_all_the_same(tmp_path: Path) -> None:
    # To call one ends the process.
    circle = functools.partial(print)
    circle.__setstate__((circle, (), {}, {}))  # type: ignore[attr-defined]
    with (tmp_path / "recording").open("w+b") as file:
        ring = Ring(file.fileno(), file.name, 2 << 20, 10**9, 10**6, 1, 1, {})
    PoolRecord(ring, "pool", "pool", 1).ended(circle, "worker", 0, 1, (1, 2, 3, 4, 5), 0, 0)


def test_builtins_and_methods_of_native_code(recorded: Recorded) -> None:
    done: list[int] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        loop.call_soon(done.append, 1)
        loop.call_soon(list.append, done, 2)
        loop.call_soon(sys.intern, "text")
        loop.call_soon(dict)
        loop.call_soon(future.set_result, None)
        await future

    recording = recorded.run(main())
    assert done == [1, 2]
    assert {"builtins.list.append", "sys.intern", "builtins.dict"} <= names(recording)
    assert "_asyncio.Future.set_result" in names(recording)


def test_a_cached_function_is_named_as_the_function(recorded: Recorded) -> None:
    @functools.lru_cache
    def often() -> None: ...

    async def main() -> None:
        asyncio.get_running_loop().call_soon(often)
        await asyncio.sleep(0)

    assert any(name.endswith(".often") for name in names(recorded.run(main())))


# Coroutines.


class OddCoroutine(collections.abc.Coroutine[None, None, int]):
    def __init__(self) -> None:
        self.sent = 0

    def __getattr__(self, name: str) -> object:
        asked.append(name)
        raise RuntimeError(name)

    def send(self, value: None) -> None:
        self.sent += 1
        if self.sent == 3:
            raise StopIteration(7)

    def throw(self, *args: object) -> Any:
        raise StopIteration

    def close(self) -> None: ...

    def __await__(self) -> Iterator[None]:  # type: ignore[override]
        yield


class CoroutineWithNonsense(OddCoroutine):
    cr_code = 5
    gi_code = "none"
    __class__ = types.CoroutineType  # type: ignore[assignment]


class CoroutineWithASlot(OddCoroutine):
    __slots__ = ("cr_code",)


@pytest.mark.parametrize("kind", [OddCoroutine, CoroutineWithNonsense, CoroutineWithASlot])
def test_coroutines(kind: type[OddCoroutine], recorded: Recorded) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        asked.clear()
        assert await loop.create_task(kind()) == 7
        assert await asyncio.Task(kind(), loop=loop) == 7

    recording = recorded.run(main())
    assert [name for name in asked if name.startswith(("cr_", "gi_", "ag_"))] == []
    assert f"{__name__}.{kind.__name__}" in names(recording)


# Protocols.


def test_protocols(recorded: Recorded) -> None:
    class Protocol(asyncio.Protocol):
        """Counts what it is asked for: as often as unrecorded."""

        def __getattribute__(self, name: str) -> Any:
            asked.append(name)
            return super().__getattribute__(name)

        def data_received(self, data: bytes) -> None:
            ran.append("data_received")
            transport: Any = self.transport
            transport.write(data * 100_000)

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

    async def main() -> None:
        loop = asyncio.get_running_loop()
        near, far = socket.socketpair()
        far.setblocking(False)
        transport, _ = await loop.create_connection(Protocol, sock=near)
        for _ in range(5):
            await loop.sock_sendall(far, b"question")
            left = 800_000
            while left:
                left -= len(await loop.sock_recv(far, 1 << 20))
        transport.close()
        far.close()
        await asyncio.sleep(0)

    fournil.run(main())
    unrecorded = sorted(asked)
    asked.clear()
    recording = recorded.run(main())
    assert sorted(asked) == unrecorded
    assert any(name.endswith("Protocol.data_received") for name in names(recording))


# What a loop's exception handler is told.


class OddMessage(str):
    __slots__ = ()

    def endswith(self, *args: Any) -> bool:
        asked.append("endswith")
        raise ValueError

    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        asked.append("==")
        return True


class OddContext(dict[str, Any]):
    def get(self, *args: Any) -> Any:
        asked.append("get")
        return super().get(*args)


DESTROYED = "Task was destroyed but it is pending!"
NEVER_RETRIEVED = "Task exception was never retrieved"


@pytest.mark.parametrize(
    "context",
    [
        {},
        {"message": HasNoIdentity()},
        {"message": OddMessage(DESTROYED)},
        {"message": DESTROYED},
        {"message": DESTROYED, "task": 5},
        {"message": NEVER_RETRIEVED},
        {"message": NEVER_RETRIEVED, "future": Lies()},
        OddContext(message=DESTROYED),
        None,
    ],
)
def test_contexts_of_the_exception_handler(context: Any, recorded: Recorded) -> None:
    def tell(loop: asyncio.AbstractEventLoop, told: object) -> None:
        ran.append("handler")
        assert told is context

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(tell)
        with contextlib.suppress(AttributeError):  # CPython 3.12 and later look into it
            loop.call_exception_handler(context)

    fournil.run(main())
    unrecorded = list(asked), list(ran)
    asked.clear()
    ran.clear()
    recorded.run(main())
    assert (asked, ran) == unrecorded


# Threads.


def test_threads_with_odd_names(recorded: Recorded) -> None:
    class Odd(threading.Thread):
        @property
        def name(self) -> str:
            if threading.current_thread() is self:
                asked.append("name")
            return "odd"

        @name.setter
        def name(self, value: str) -> None: ...

    async def nothing() -> None:
        ran.append("ran")

    async def main() -> None:
        threads: list[threading.Thread] = [Odd(target=fournil.run, args=(nothing(),))]
        threads.append(threading.Thread(target=fournil.run, args=(nothing(),)))
        for value, thread in zip(("\udce9", OddString("s")), threads, strict=True):
            thread._name = value  # type: ignore[attr-defined]
            thread.start()
            thread.join()

    recording = recorded.run(main())
    assert ran == ["ran", "ran"]
    assert asked == []
    assert {"\udce9", "s"} <= {thread.name for thread in recording.threads.values()}


def test_names_that_are_no_utf_8(recorded: Recorded) -> None:
    namespace: dict[str, Any] = {}
    code = compile("def block(): ...", "caf\udce9.py", "exec")
    exec(code, namespace)
    block = namespace["block"]
    block.__code__ = block.__code__.replace(co_qualname="bl\udcf6ck \ud83d")

    async def main() -> None:
        asyncio.get_running_loop().call_soon(block)
        await asyncio.create_task(asyncio.sleep(0), name=os.fsdecode(b"read caf\xe9.txt"))
        await asyncio.create_task(asyncio.sleep(0), name="\ud83d alone")
        await asyncio.create_task(asyncio.sleep(0), name="long" * 10_000)

    recording = recorded.run(main())
    tasks = {task.name for task in recording.tasks.values()}
    assert "read caf\udce9.txt" in tasks
    assert "\\ud83d alone" in tasks
    assert any(len(name) == 4096 for name in tasks)
    assert recording.unseen.texts == 0
    (site,) = [site for site in recording.sites.values() if site.file == "caf\udce9.py"]
    assert site.function == "bl\udcf6ck \\ud83d"
