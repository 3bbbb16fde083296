"""Each private name of asyncio that Fournil relies on, and what for.

A CPython that renames one of them fails here first. The tables are complete: a private name
that the sources use and no table lists fails too, as does a listed name that nothing uses.
"""

from __future__ import annotations

import asyncio
import asyncio.sslproto
import re
import sys
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "src" / "fournil"

# Where asyncio is relied on; a name in another layer is a coincidence.
RELYING = ("_native", "_loop", "launch", "loop.py")

# What asyncio's loop has, and what the core takes over or calls.
OF_A_LOOP = {
    "_accept_connection2": "called in debug mode: tells of accepted TLS connections that fail",
    "_add_callback": "taken over: subprocess and pipe transports call it",
    "_add_reader": "taken over: transports and add_reader call it",
    "_add_writer": "taken over: transports and add_writer call it",
    "_asyncgen_finalizer_hook": "installed while the loop runs",
    "_asyncgen_firstiter_hook": "installed while the loop runs",
    "_check_callback": "called in debug mode, as asyncio's call_soon does",
    "_check_closed": "called: raises what a closed loop raises",
    "_check_running": "called: raises what a running loop raises",
    "_check_thread": "called in debug mode, as asyncio's call_soon does",
    "_close_self_pipe": "taken over: closes the pipe for signals, if it is there",
    "_closed": "taken over: a field of the core, which asyncio's close() sets",
    "_csock": "taken over: signals of the program are written there",
    "_current_handle": "set in debug mode: asyncio's debug log reads it",
    "_debug": "taken over: a field of the core, which asyncio's set_debug() sets",
    "_default_executor": "set: code looks for it there, and set_default_executor() replaces it",
    "_ensure_fd_no_transport": "taken over: readers and writers of users ask it",
    "_executor_shutdown_called": "read: a default executor that was shut down takes no calls",
    "_internal_fds": "counted: asyncio counts its self-pipe",
    "_make_datagram_transport": "taken over: create_datagram_endpoint calls it",
    "_make_self_pipe": "taken over: the pipe for signals is made when it is needed",
    "_make_socket_transport": "taken over: whatever connects a stream socket calls it",
    "_make_ssl_transport": "taken over: create_connection, create_server and others call it",
    "_process_events": "taken over: a program's own is called with what its selector reported",
    "_read_from_self": "called: reads the signals that came",
    "_ready": "taken over: the queue, for programs that look into it or run the loop by hand",
    "_remove_reader": "taken over: transports and remove_reader call it",
    "_remove_writer": "taken over: transports and remove_writer call it",
    "_run_once": "taken over: one turn, for programs that drive a loop by hand",
    "_selector": "what the loop waits by, for programs that look into it or bring their own",
    "_sendfile_native": "taken over: sendfile calls it for a transport of a socket",
    "_set_coroutine_origin_tracking": "called: debug mode tracks where coroutines are made",
    "_ssock": "taken over: the loop reads the signals of the program there",
    "_start_serving": "taken over: servers begin to accept by it",
    "_stop_serving": "taken over: servers end by it",
    "_stopping": "taken over: a field of the core, which asyncio's stop() sets",
    "_task_factory": "taken over: a field of the core, which set_task_factory() sets",
    "_thread_id": "taken over: a field of the core, by which asyncio knows that the loop runs",
    "_write_to_self": "taken over: signals of the program wake the loop by it",
}

# What asyncio's TimerHandle has. Ours has it as well, since asyncio's debug log and its
# exception handler read it, and programs compare and print handles.
OF_A_HANDLE = {
    "_args": "read when a handle is shown",
    "_callback": "read when a handle is shown",
    "_cancelled": "read by transports",
    "_context": "read by the exception handler, which runs in it",
    "_loop": "compared by frameworks",
    "_repr_info": "how a handle is shown",
    "_run": "programs that replace the ready queue run a handle by it",
    "_scheduled": "read by tests of timers",
    "_source_traceback": "debug mode: where the handle was made",
    "_when": "compared by timers",
}

OF_MODULES = {
    "asyncio.SelectorEventLoop._ensure_fd_no_transport": "called: knows asyncio's own transports",
    "asyncio._get_running_loop": "run() refuses to run inside a loop",
    "asyncio.base_events.Server._attach": "its parameters tell whether it is given the transport",
    "asyncio.base_events._format_handle": "debug mode: how a slow callback is shown",
    "asyncio.constants._SendfileMode": "sendfile over TLS reads the file and writes it",
    "asyncio.events.Handle._run": "called where a program has replaced it",
    "asyncio.events._ThreadSafeHandle": "what a handle of another thread says that it is",
    "asyncio.events._set_running_loop": "a run of the loop says that it runs",
    "asyncio.format_helpers._format_callback_source": "how a callback is shown",
    "asyncio.transports._FlowControlMixin": "sendfile refuses transports that are none",
    "asyncio.unix_events._UnixDefaultEventLoopPolicy": "its factory makes the loops of run()",
}

# What asyncio's TLS transport has for start_tls, for sendfile and for protocols; ours as well.
OF_A_TLS_TRANSPORT = {
    "_extra": "what a stream's transport knows besides",
    "_force_close": "called, on what carries the ciphertext: ends it with a reason",
    "_loop": "read by asyncio's flow control",
    "_protocol_paused": "read by sendfile",
    "_sendfile_compatible": "read by sendfile",
    "_start_tls_compatible": "read by start_tls",
}

NEW_IN = {"asyncio.events._ThreadSafeHandle": (3, 14)}


@cache
def sources() -> str:
    return "\n".join(
        path.read_text()
        for name in RELYING
        for path in [PACKAGE / name, *(PACKAGE / name).rglob("*")]
        if path.suffix in {".py", ".pyx", ".pxd"}
    )


@cache
def private_words() -> frozenset[str]:
    return frozenset(re.findall(r"\b_[a-z]\w*", sources()))


def private_names(thing: object) -> set[str]:
    return {name for name in dir(thing) if re.fullmatch(r"_[a-z]\w*", name)}


def asyncio_loop_names() -> set[str]:
    loop = asyncio.SelectorEventLoop()
    try:
        return private_names(loop)
    finally:
        loop.close()


def asyncio_handle_names() -> set[str]:
    loop = asyncio.SelectorEventLoop()
    try:
        return private_names(loop.call_later(1, print))
    finally:
        loop.close()


def test_of_a_loop() -> None:
    names = asyncio_loop_names() & private_words()
    assert names - OF_A_LOOP.keys() <= OF_A_HANDLE.keys(), "and no handle has that name"
    assert names >= OF_A_LOOP.keys()


def test_of_a_handle() -> None:
    names = asyncio_handle_names() & private_words()
    assert names - OF_A_HANDLE.keys() <= OF_A_LOOP.keys(), "and no loop has that name"
    assert names >= OF_A_HANDLE.keys()


def test_of_a_tls_transport() -> None:
    names = private_names(asyncio.sslproto._SSLProtocolTransport)
    assert OF_A_TLS_TRANSPORT.keys() == names & private_words()


def test_of_modules() -> None:
    assert OF_MODULES.keys() == set(re.findall(r"\basyncio(?:\.\w+)*?\._[A-Za-z]\w*", sources()))
    for name in OF_MODULES:
        if sys.version_info < NEW_IN.get(name, (3, 11)):
            continue
        thing: object = asyncio
        for part in name.split(".")[1:]:
            thing = getattr(thing, part)
