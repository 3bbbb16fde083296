"""The event loop: the native core for what is hot, asyncio's selector loop for the rest."""

from __future__ import annotations

import asyncio
import asyncio.base_events
import asyncio.constants
import asyncio.events
import asyncio.format_helpers
import contextlib
import os
import selectors
import socket
import sys
import threading
import traceback
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from typing import IO, TYPE_CHECKING, Any, TypeVar

from fournil._native import datagrams, listener, ring, socks, transport
from fournil._native.core import LoopCore
from fournil._native.handles import show_callback
from fournil._native.poller import moved_out_of_the_way

if TYPE_CHECKING:
    import ssl
    from contextvars import Context

    from _typeshed import ReadableBuffer, WriteableBuffer

    from fournil._native.handles import Handle
    from fournil._native.poller import Poller

T = TypeVar("T")

DATAGRAM_FAMILIES = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)


class EventLoop(LoopCore, asyncio.SelectorEventLoop):
    """An asyncio event loop whose hot path is native.

    `LoopCore` takes over callbacks, timers, polling and wake-ups, `Stream` connected sockets,
    `Datagrams` UDP, `Listener` servers, `TLSCore` TLS; subprocesses, signals, pipes and name
    resolution are asyncio's own.

    Args:
        selector: accepted because `asyncio.SelectorEventLoop` has it. The loop waits by its
            own epoll instance: a selector that is given is only closed with the loop.

    Example:
        >>> loop = EventLoop()
        >>> loop.run_until_complete(asyncio.sleep(0, "done"))
        'done'
        >>> loop.close()
    """

    if TYPE_CHECKING:
        # asyncio's own, which its type stubs leave out.
        _current_handle: asyncio.Handle | None

        _internal_fds: int

        def _check_closed(self) -> None: ...
        def _read_from_self(self) -> None: ...
        def _check_running(self) -> None: ...
        def _set_coroutine_origin_tracking(self, enabled: bool) -> None: ...
        def _asyncgen_firstiter_hook(self, agen: AsyncGenerator[Any, Any]) -> None: ...
        def _asyncgen_finalizer_hook(self, agen: AsyncGenerator[Any, Any]) -> None: ...

    def __init__(self, selector: selectors.BaseSelector | None = None) -> None:
        self._given_selector = selector
        try:
            super().__init__(_PollerView(self._poller))
        except BaseException:
            # Half made, as when descriptors run out: `close` could not take it apart.
            self._close_core()
            self._closed = True
            raise

    def run_forever(self) -> None:
        """Run until `stop` is called."""
        # Stacks are cut at this function: what is above it belongs to the step that runs.
        self._check_closed()
        self._check_running()
        self._set_coroutine_origin_tracking(self._debug)
        hooks = sys.get_asyncgen_hooks()
        try:
            self._thread_id = threading.get_ident()
            sys.set_asyncgen_hooks(
                firstiter=self._asyncgen_firstiter_hook, finalizer=self._asyncgen_finalizer_hook
            )
            asyncio.events._set_running_loop(self)
            self._run()
        finally:
            self._stopping = False
            self._thread_id = None
            asyncio.events._set_running_loop(None)
            self._set_coroutine_origin_tracking(False)
            sys.set_asyncgen_hooks(*hooks)

    def close(self) -> None:
        """Close the loop; it must not be running."""
        closed = self.is_closed()
        super().close()
        if not closed:
            self._close_core()
            if self._given_selector is not None:
                self._given_selector.close()

    # asyncio's names: the pipe to which signals are written, and from which the loop reads them. It
    # is made when a program first handles one; the loop itself is woken by the poller.

    def _make_self_pipe(self) -> None:
        self._internal_fds += 1
        self._self_pipe: tuple[_KeptAway, _KeptAway] | None = None

    def _open_self_pipe(self) -> tuple[_KeptAway, _KeptAway]:
        one, other = socket.socketpair()
        with one, other:
            self._self_pipe = _KeptAway(one), _KeptAway(other)
        self._add_reader(self._self_pipe[0].fileno(), self._read_from_self)
        return self._self_pipe

    @property
    def _ssock(self) -> socket.socket | None:
        return None if self._closed else (self._self_pipe or self._open_self_pipe())[0]

    @property
    def _csock(self) -> socket.socket | None:
        return None if self._closed else (self._self_pipe or self._open_self_pipe())[1]

    def _close_self_pipe(self) -> None:
        self._internal_fds -= 1
        if self._self_pipe is not None:
            self._remove_reader(self._self_pipe[0].fileno())
            for end in self._self_pipe:
                end.close()

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Hand what went wrong to the exception handler, after noting it for the recorder."""
        message = context.get("message")
        if message == "Task was destroyed but it is pending!":
            ring.note_destroyed(context["task"])
        elif isinstance(message, str) and message.endswith("exception was never retrieved"):
            future = context.get("future")
            ring.note_never_retrieved(
                future.get_coro() if isinstance(future, asyncio.Task) else None
            )
        super().call_exception_handler(context)

    async def sock_recv(self, sock: socket.socket, nbytes: int) -> bytes:
        """Return at most `nbytes` bytes of a socket, as soon as there are some."""
        if type(sock) is not socket.socket:  # a subclass may have methods of its own
            return await super().sock_recv(sock, nbytes)
        data = socks.recv(self, sock, nbytes)
        return await _result(data) if isinstance(data, socks.Operation) else data

    async def sock_recv_into(self, sock: socket.socket, buf: WriteableBuffer) -> int:
        """Receive into a writable buffer; return how many bytes came."""
        if type(sock) is not socket.socket:
            return await super().sock_recv_into(sock, buf)
        count = socks.recv_into(self, sock, buf)
        return await _result(count) if isinstance(count, socks.Operation) else count

    async def sock_sendall(self, sock: socket.socket, data: ReadableBuffer) -> None:
        """Send all of `data`; cancelled, it leaves open how much was sent."""
        if type(sock) is not socket.socket:
            await super().sock_sendall(sock, data)
            return
        rest = socks.sendall(self, sock, data)
        if rest is not None:
            await _result(rest)

    async def sock_recvfrom(self, sock: socket.socket, bufsize: int) -> tuple[bytes, Any]:
        """Return one datagram, at most `bufsize` bytes of it, and who sent it."""
        if type(sock) is not socket.socket:
            datagram: tuple[bytes, Any] = await super().sock_recvfrom(sock, bufsize)
            return datagram
        came = socks.recvfrom(self, sock, bufsize)
        return await _result(came) if isinstance(came, socks.Operation) else came

    async def sock_recvfrom_into(
        self, sock: socket.socket, buf: WriteableBuffer, nbytes: int = 0
    ) -> tuple[int, Any]:
        """Receive a datagram into a writable buffer; return how long it is and who sent it."""
        if type(sock) is not socket.socket:
            datagram: tuple[int, Any] = await super().sock_recvfrom_into(sock, buf, nbytes)
            return datagram
        came = socks.recvfrom_into(self, sock, buf, nbytes)
        return await _result(came) if isinstance(came, socks.Operation) else came

    async def sock_sendto(self, sock: socket.socket, data: ReadableBuffer, address: Any) -> int:
        """Send a datagram to `address`; return how many bytes were sent."""
        if type(sock) is not socket.socket:
            return await super().sock_sendto(sock, data, address)
        sent = socks.sendto(self, sock, data, address)
        return await _result(sent) if isinstance(sent, socks.Operation) else sent

    async def sock_accept(self, sock: socket.socket) -> tuple[socket.socket, Any]:
        """Accept a connection; return a socket that does not block, and the peer's address."""
        if type(sock) is not socket.socket:
            return await super().sock_accept(sock)
        made = socks.accept(self, sock)
        return await _result(made) if isinstance(made, socks.Operation) else made

    # asyncio's names: what it asks of a loop to make transports and servers.

    def _make_socket_transport(
        self,
        sock: socket.socket,
        protocol: asyncio.BaseProtocol,
        waiter: asyncio.Future[None] | None = None,
        *,
        extra: dict[str, Any] | None = None,
        server: asyncio.AbstractServer | None = None,
        context: Context | None = None,
    ) -> asyncio.Transport:
        return transport.adopt(
            self, sock, protocol, waiter, extra=extra, server=server, context=context
        )

    def _make_datagram_transport(
        self,
        sock: socket.socket,
        protocol: asyncio.BaseProtocol,
        address: Any = None,
        waiter: asyncio.Future[None] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> asyncio.DatagramTransport:
        # A subclass may have methods of its own, and addresses of other families are tuples
        # that the `socket` module alone knows.
        if type(sock) is not socket.socket or sock.family not in DATAGRAM_FAMILIES:
            asyncios: asyncio.DatagramTransport = super()._make_datagram_transport(  # type: ignore[misc]  # type stubs leave it out
                sock, protocol, address, waiter, extra
            )
            return asyncios
        return datagrams.adopt(self, sock, protocol, address, waiter, extra)

    def _start_serving(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        sock: socket.socket,
        sslcontext: ssl.SSLContext | None = None,
        server: asyncio.AbstractServer | None = None,
        backlog: int = 100,
        ssl_handshake_timeout: float | None = asyncio.constants.SSL_HANDSHAKE_TIMEOUT,
        ssl_shutdown_timeout: float | None = asyncio.constants.SSL_SHUTDOWN_TIMEOUT,
        context: Context | None = None,
    ) -> None:
        listener.listen(
            self,
            protocol_factory,
            sock,
            sslcontext,
            server,
            backlog,
            ssl_handshake_timeout,
            ssl_shutdown_timeout,
            context,
        )

    def _stop_serving(self, sock: socket.socket) -> None:
        listener.stop_listening(self, sock)
        super()._stop_serving(sock)  # type: ignore[misc]  # type stubs leave it out

    async def _sendfile_native(
        self, transp: transport.StreamTransport, file: IO[bytes], offset: int, count: int | None
    ) -> int:
        sent_before = transp._make_empty_waiter()
        reading = transp.is_reading()
        transp.pause_reading()
        try:
            await sent_before
            sock = transp._lend()
            try:
                return await self.sock_sendfile(sock, file, offset, count, fallback=False)
            finally:
                transp._take_back()
        except asyncio.SendfileNotAvailableError:
            if transp.is_closing():
                raise ConnectionError(
                    "the connection was closed before the file was sent"
                ) from None
            raise
        finally:
            transp._reset_empty_waiter()
            if reading:
                transp.resume_reading()

    # TLS. Its modules are imported when the first connection needs them: a Python may have no ssl.

    def _make_ssl_transport(
        self,
        rawsock: socket.socket,
        protocol: asyncio.BaseProtocol,
        sslcontext: ssl.SSLContext | None,
        waiter: asyncio.Future[None] | None = None,
        *,
        extra: dict[str, Any] | None = None,
        server: asyncio.Server | None = None,
        context: Context | None = None,
        **options: Any,
    ) -> asyncio.Transport | None:
        from fournil._native.tls_transport import TLSProtocol

        tls = TLSProtocol(self, protocol, sslcontext, waiter, **options)
        self._make_socket_transport(rawsock, tls, extra=extra, server=server, context=context)
        return tls._app_transport

    async def start_tls(
        self,
        transport: asyncio.BaseTransport,
        protocol: asyncio.BaseProtocol,
        sslcontext: ssl.SSLContext,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> asyncio.Transport | None:
        """Upgrade a connection to TLS; return the transport that its protocol uses from now on.

        Args:
            transport: what carries the ciphertext from now on: a transport of this loop.
            protocol: the protocol of the connection.
            sslcontext: how to encrypt.
            server_side: whether this side is the server.
            server_hostname: whom a client wants to speak to; None where it does not matter.
            ssl_handshake_timeout: how many seconds the handshake may take, 60 unless given.
            ssl_shutdown_timeout: how many seconds the end may take, 30 unless given.

        Raises:
            TypeError: what is given as context or transport cannot be used.
            ssl.SSLError: the handshake failed.
            ConnectionError: it was interrupted, or took too long, or the transport was closed.
        """
        import ssl

        from fournil._native.tls_transport import TLSProtocol

        if not isinstance(sslcontext, ssl.SSLContext):
            raise TypeError(
                f"sslcontext is expected to be an instance of ssl.SSLContext, got {sslcontext!r}"
            )
        if not getattr(transport, "_start_tls_compatible", False):
            raise TypeError(f"transport {transport!r} is not supported by start_tls()")
        if transport.is_closing():
            # asyncio's waits for its end, which may have come before: then for the whole timeout.
            raise ConnectionAbortedError(f"{transport!r} is closed: TLS cannot begin there")
        carrier: Any = transport
        waiter: Any = self.create_future()
        tls = TLSProtocol(
            self,
            protocol,
            sslcontext,
            waiter,
            server_side,
            server_hostname,
            call_connection_made=False,
            ssl_handshake_timeout=ssl_handshake_timeout,
            ssl_shutdown_timeout=ssl_shutdown_timeout,
        )
        if server_side and isinstance(protocol, asyncio.StreamReaderProtocol):
            # What a client sent behind its last line in the clear is the handshake, or forged.
            reader: Any = getattr(protocol, "_stream_reader", None)
            if reader is not None and reader._buffer:
                tls._feed(bytes(reader._buffer))
                reader._buffer.clear()
        # What comes before the protocol has its transport has to wait.
        carrier.pause_reading()
        carrier.set_protocol(tls)
        made = self.call_soon(tls.connection_made, transport)
        resumed = self.call_soon(carrier.resume_reading)
        try:
            await waiter
        except BaseException:
            transport.close()
            made.cancel()
            resumed.cancel()
            raise
        finally:
            # An exception in it has this frame in its traceback.
            waiter = None
        return tls._app_transport

    # Called by the core, for what is rare.

    def _callback_failed(self, handle: Handle, error: BaseException) -> None:
        context = {
            "message": f"Exception in callback {show_callback(handle)}",
            "exception": error,
            "handle": handle,
        }
        if handle._source_traceback:
            context["source_traceback"] = handle._source_traceback
        frames = error.__traceback__
        try:
            raise error
        except BaseException:
            # Handlers find it by sys.exception() too, with the frames of the callback alone.
            error.__traceback__ = frames
            self.call_exception_handler(context)

    def _run_in_debug_mode(self, handle: Handle) -> None:
        self._current_handle = handle
        try:
            begin = self.time()
            self._run_handle(handle)
            duration = self.time() - begin
            if duration >= self.slow_callback_duration:
                # asyncio's type hints leave both out.
                asyncio.base_events.logger.warning(  # type: ignore[attr-defined]
                    "Executing %s took %.3f seconds",
                    asyncio.base_events._format_handle(handle),  # type: ignore[attr-defined]
                    duration,
                )
        finally:
            self._current_handle = None
            # The frames of an exception's traceback keep this one, and with it the handle, whose
            # task may hold the exception: a task that nobody else holds would stay.
            del handle

    def _where(self) -> traceback.StackSummary:
        """Return the stack of the code that called a method of the core."""
        return asyncio.format_helpers.extract_stack(sys._getframe(1))


class _KeptAway(socket.socket):
    """A socket with a number that the program has no use for, and which is closed only as itself.

    A program may close what it did not open, and open a file of that number.
    """

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock.family, sock.type, sock.proto, moved_out_of_the_way(sock.detach()))
        self.setblocking(False)
        self._inode = os.fstat(self.fileno()).st_ino

    def close(self) -> None:
        with contextlib.suppress(OSError):
            if os.fstat(self.fileno()).st_ino == self._inode:
                super().close()
                return
        self.detach()


async def _result(operation: socks.Operation) -> Any:
    try:
        return await operation.future
    except BaseException:
        operation.give_up()
        raise


class _PollerView(selectors.BaseSelector):
    """The poller as a selector, for the code of asyncio that asks what a loop waits for."""

    def __init__(self, poller: Poller) -> None:
        self._poller = poller

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        known_as, fd, reader, writer = self._poller.registration(fileobj)
        if reader is None and writer is None:
            raise KeyError(f"{fileobj!r} is not registered")
        events = (selectors.EVENT_READ if reader is not None else 0) | (
            selectors.EVENT_WRITE if writer is not None else 0
        )
        return selectors.SelectorKey(known_as, fd, events, (reader, writer))

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return {fd: self.get_key(fd) for fd in self._poller.watched_fds()}

    def fileno(self) -> int:
        return self._poller.fileno()

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        raise RuntimeError(
            "the loop's selector is only a view; use loop.add_reader() and loop.add_writer()"
        )

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        raise RuntimeError(
            "the loop's selector is only a view; use loop.remove_reader() and loop.remove_writer()"
        )

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        raise RuntimeError("the loop's selector is only a view; the loop itself waits")


def new_event_loop() -> EventLoop:
    """Return a new event loop, as `asyncio.new_event_loop` does.

    Example:
        >>> with asyncio.Runner(loop_factory=new_event_loop) as runner:
        ...     runner.run(asyncio.sleep(0, "done"))
        'done'
    """
    return EventLoop()


class Runner(asyncio.Runner):  # type: ignore[misc]  # final for type checkers only
    """`asyncio.Runner` on Fournil's loop.

    Args:
        debug: whether the loop runs in debug mode; None leaves it to the interpreter's flags.
        loop_factory: makes the loop; `new_event_loop` unless given.
    """

    def __init__(
        self,
        *,
        debug: bool | None = None,
        loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
    ) -> None:
        super().__init__(debug=debug, loop_factory=loop_factory or new_event_loop)


def run(
    main: Coroutine[Any, Any, T],
    *,
    debug: bool | None = None,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> T:
    """Run a coroutine on Fournil's loop and return its result, as `asyncio.run` does.

    Args:
        main: the coroutine.
        debug: whether the loop runs in debug mode; None leaves it to the interpreter's flags.
        loop_factory: makes the loop; `new_event_loop` unless given.

    Raises:
        RuntimeError: a loop runs in this thread already.

    Example:
        >>> run(asyncio.sleep(0, "done"))
        'done'
    """
    if asyncio._get_running_loop() is not None:
        raise RuntimeError(
            "fournil.run() cannot be called from a running event loop; await the coroutine"
        )
    with Runner(debug=debug, loop_factory=loop_factory) as runner:
        return runner.run(main)
