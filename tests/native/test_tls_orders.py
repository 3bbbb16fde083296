"""TLS by every order of events that hypothesis thinks of: its transport's, its user's, timers'."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import Any

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import fournil
from fournil._native.tls_transport import TLSProtocol
from tests.contract.tls import client_context, server_context

CLIENT, SERVER = client_context(), server_context()

CALLBACKS = ["made", "data", "eof", "pause", "resume", "lost"]
ACTS = ["nothing", "close", "abort", "pause", "resume", "write", "raise", "lose", "other protocol"]


class AppError(Exception):
    """What the application's protocol raises."""


class Carrier(asyncio.Transport):
    """What carries the ciphertext: keeps what is written, and ends when it is told to."""

    def __init__(self, machine: Connection) -> None:
        super().__init__()
        self.machine = machine
        self.written = bytearray()
        self.closing = False
        self.reading = True

    def write(self, data: Any) -> None:
        assert not self.machine.lost, "something was written to a transport that is gone"
        self.written += data

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self._force_close(None)

    def abort(self) -> None:
        self._force_close(None)

    def _force_close(self, error: BaseException | None) -> None:
        if self.closing:
            return
        self.closing = True
        if self.machine.ends_at_once:
            self.machine.lose()
        else:
            self.machine.loop.call_soon(self.machine.lose)


class App(asyncio.Protocol):
    """Writes down what it is told, and does what the machine says that it does then."""

    def __init__(self, machine: Connection) -> None:
        self.machine = machine

    def told(self, callback: str) -> None:
        self.machine.events.append(callback)
        self.machine.act(self.machine.acts[callback])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert transport is self.machine.tls._app_transport
        self.told("made")

    def data_received(self, data: bytes) -> None:
        self.machine.received += data
        self.told("data")

    def eof_received(self) -> None:
        self.told("eof")

    def pause_writing(self) -> None:
        self.told("pause")

    def resume_writing(self) -> None:
        self.told("resume")

    def connection_lost(self, exc: BaseException | None) -> None:
        self.told("lost")


class BufferedApp(App, asyncio.BufferedProtocol):
    """The same, which receives into a small buffer of its own."""

    def get_buffer(self, sizehint: int) -> bytearray:
        self.buffer = bytearray(100)
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(bytes(self.buffer[:nbytes]))


class Connection(RuleBasedStateMachine):
    """One connection over a transport of ours, and its peer in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = fournil.EventLoop()
        self.loop.set_exception_handler(lambda loop, context: None)
        self.acts = dict.fromkeys(CALLBACKS, "nothing")
        self.events: list[str] = []
        self.received = bytearray()
        self.sent = bytearray()
        self.lost = False
        self.forged = False

    @initialize(
        calls_made=st.booleans(),
        buffered=st.booleans(),
        ends_at_once=st.booleans(),
        acts=st.dictionaries(st.sampled_from(CALLBACKS), st.sampled_from(ACTS), max_size=2),
        limits=st.sampled_from([None, 0, 100]),
        first=st.sampled_from(["new", "handshake", "open", "open", "open", "open"]),
    )
    def begin(
        self,
        calls_made: bool,
        buffered: bool,
        ends_at_once: bool,
        acts: dict[str, str],
        limits: int | None,
        first: str,
    ) -> None:
        self.ends_at_once = ends_at_once
        self.calls_made = calls_made
        self.acts.update(acts)
        self.app = (BufferedApp if buffered else App)(self)
        self.waiter = self.loop.create_future()
        self.tls = TLSProtocol(
            self.loop, self.app, SERVER, self.waiter, True, call_connection_made=calls_made
        )
        transport: Any = self.tls._app_transport
        self.transport = transport
        self.transport.set_write_buffer_limits(limits)
        self.transport.set_read_buffer_limits(limits)
        self.carrier = Carrier(self)
        self.to_peer, self.of_peer = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.peer = CLIENT.wrap_bio(self.to_peer, self.of_peer, server_hostname="localhost")
        if first != "new":
            self.make()
        if first == "open":
            self.exchange()

    # What the application does.

    def act(self, act: str) -> None:
        if act == "raise":
            raise AppError
        if act == "lose":
            self.lose()
        elif act == "other protocol":
            self.transport.set_protocol(App(self))
        elif act == "write":
            self.transport.write(b"from inside")
        elif act in {"close", "abort"}:
            getattr(self.transport, act)()
        elif act in {"pause", "resume"}:
            getattr(self.transport, f"{act}_reading")()

    @rule(act=st.sampled_from(["close", "pause", "resume", "write", "other protocol"]))
    def use(self, act: str) -> None:
        self.act(act)

    @rule(data=st.data())
    def end_at_once(self, data: st.DataObject) -> None:
        """One rule of many, since hypothesis tries them alike."""
        ends = [
            self.transport.abort,
            self.lose,
            self.forge,
            self.tls._handshake_timed_out,
            self.tls._shutdown_timed_out,
        ]
        ends[data.draw(st.integers(0, len(ends) - 1))]()

    @rule(size=st.sampled_from([0, 1, 1000, 200_000]))
    def write(self, size: int) -> None:
        self.transport.write(bytes(size))
        self.transport.writelines([bytes(size), b"x"])

    # What the transport does, each whenever it likes.

    def call(self, function: Callable[..., Any], *args: Any) -> None:
        with contextlib.suppress(AppError):
            function(*args)

    @rule()
    def make(self) -> None:
        if not self.lost:
            self.call(self.tls.connection_made, self.carrier)

    def fill(self, data: bytes) -> None:
        while data and not self.lost:
            buffer = self.tls.get_buffer(-1)
            piece = data[: len(buffer)]
            buffer[: len(piece)] = piece
            self.call(self.tls.buffer_updated, len(piece))
            data = data[len(piece) :]

    @rule()
    def exchange(self) -> None:
        """What both have said goes to the other side, until neither says more."""
        while True:
            self.answer()
            data = self.of_peer.read()
            if not data or self.lost:
                break
            self.fill(data)

    @rule(size=st.sampled_from([1, 5, 100, 100_000]))
    def deliver(self, size: int) -> None:
        self.fill(self.of_peer.read(size))

    def forge(self) -> None:
        self.forged = True
        self.fill(b"\x16\x03\x01\x00\x05hello")

    @rule(nbytes=st.sampled_from([-1, 1 << 20, 1 << 62]))
    def lie(self, nbytes: int) -> None:
        with contextlib.suppress(ValueError):
            self.tls.buffer_updated(nbytes)
            raise AssertionError("it was believed")

    @rule()
    def end(self) -> None:
        if not self.lost:
            self.call(self.tls.eof_received)

    @rule()
    def fill_transport(self) -> None:
        self.tls.pause_writing()

    @rule()
    def empty_transport(self) -> None:
        self.tls.resume_writing()

    def lose(self) -> None:
        if not self.lost:
            self.lost = True
            self.tls.connection_lost(None)

    # The peer.

    @rule()
    def answer(self) -> None:
        """The peer reads what was written and goes on."""
        self.to_peer.write(bytes(self.carrier.written))
        self.carrier.written.clear()
        with contextlib.suppress(ssl.SSLError):
            self.peer.do_handshake()
            while self.peer.read(65536):
                pass

    @rule(size=st.sampled_from([1, 1000, 50_000]), arrives=st.booleans())
    def send(self, size: int, arrives: bool) -> None:
        data = (len(self.sent).to_bytes(4, "big") * size)[:size]
        with contextlib.suppress(ssl.SSLError):
            self.peer.write(data)
            self.sent += data
        if arrives:
            self.exchange()

    @rule()
    def leave(self) -> None:
        with contextlib.suppress(ssl.SSLError, OSError):
            self.peer.unwrap()

    # Time.

    @rule()
    def turn(self) -> None:
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()

    @invariant()
    def nothing_comes_out_of_its_order(self) -> None:
        events = [event for event in self.events if event in {"made", "data", "eof", "lost"}]
        if not hasattr(self, "calls_made"):
            return
        if not self.calls_made:
            events.insert(0, "made")
        assert events.count("made") == events.count("lost") == 1 or "lost" not in events
        assert events.count("made") <= 1
        assert events.count("eof") <= 1
        assert events[:1] in ([], ["made"])
        for last in ("eof", "lost"):
            if last in events:
                assert "data" not in events[events.index(last) :]
        assert self.sent.startswith(self.received)

    def teardown(self) -> None:
        if hasattr(self, "tls"):
            self.lose()
            for _ in range(4):
                self.turn()
            self.nothing_comes_out_of_its_order()
            made = not self.calls_made or "made" in self.events
            assert self.events.count("lost") == made
            assert self.waiter.done()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                self.waiter.exception()
            assert self.tls._transport is None
        self.loop.close()


TestConnection = Connection.TestCase
TestConnection.settings = settings(max_examples=400, stateful_step_count=40, deadline=None)
