"""Off the CPU: each waits for a clock, a thread, a process, a socket or a disk."""

from __future__ import annotations

import fcntl
import http.client
import os
import queue
import select
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.corpus.blocker import Blocker, Body


@contextmanager
def after(seconds: float, act: Callable[[], object]) -> Iterator[Callable[[], None]]:
    """Give a function that makes a thread act so many seconds later."""
    begin = threading.Event()

    def wait() -> None:
        begin.wait()
        time.sleep(seconds)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    yield begin.set
    begin.set()
    thread.join()


@contextmanager
def slow_server(seconds: float) -> Iterator[int]:
    """Answer one HTTP request, late; give the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                time.sleep(seconds)
                connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nslow")

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


@contextmanager
def folder_on_disk() -> Iterator[Path]:
    # What is in memory is never waited for, and /tmp often is.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        yield Path(folder)


def sleep(seconds: float) -> Body:
    yield
    time.sleep(seconds)  # blocks


def urlopen(seconds: float) -> Body:
    with slow_server(seconds) as port:
        yield
        urllib.request.urlopen(f"http://127.0.0.1:{port}/").close()  # blocks
        yield


def http_client(seconds: float) -> Body:
    with slow_server(seconds) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        yield
        connection.request("GET", "/")
        connection.getresponse().read()  # blocks
        yield
        connection.close()


def socket_recv(seconds: float) -> Body:
    ours, theirs = socket.socketpair()
    with ours, theirs, after(seconds, lambda: theirs.send(b"late")) as begin:
        yield
        begin()
        ours.recv(16)  # blocks
        yield


def socket_connect(seconds: float) -> Body:
    # A listener whose backlog is full answers no SYN; a client's first repeat comes after 1 s.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        with socket.create_connection(address), socket.socket() as late:
            late.settimeout(seconds)
            yield
            try:
                late.connect(address)  # blocks
            except TimeoutError:
                pass
            yield


def subprocess_run(seconds: float) -> Body:
    yield
    subprocess.run(["sleep", str(seconds)], check=True)  # blocks


def popen_read(seconds: float) -> Body:
    command = f"sleep {seconds}; echo done"
    with subprocess.Popen(command, shell=True, stdout=subprocess.PIPE) as process:
        assert process.stdout
        yield
        process.stdout.read()  # blocks
        yield


def lock(seconds: float) -> Body:
    held = threading.Lock()
    held.acquire()
    with after(seconds, held.release) as begin:
        yield
        begin()
        held.acquire()  # blocks
        yield


def event(seconds: float) -> Body:
    happened = threading.Event()
    with after(seconds, happened.set) as begin:
        yield
        begin()
        happened.wait()  # blocks
        yield


def queue_get(seconds: float) -> Body:
    items: queue.Queue[int] = queue.Queue()
    with after(seconds, lambda: items.put(1)) as begin:
        yield
        begin()
        items.get()  # blocks
        yield


def future_result(seconds: float) -> Body:
    with ThreadPoolExecutor(1) as pool:
        yield
        pool.submit(time.sleep, seconds).result()  # blocks
        yield


def fifo_read(seconds: float) -> Body:
    with folder_on_disk() as folder:
        path = folder / "fifo"
        os.mkfifo(path)
        with after(seconds, lambda: path.write_bytes(b"late")) as begin:
            yield
            begin()
            path.read_bytes()  # blocks
            yield


def pipe_read(seconds: float) -> Body:
    reader, writer = os.pipe()
    with after(seconds, lambda: os.write(writer, b"late")) as begin:
        yield
        begin()
        os.read(reader, 16)  # blocks
        yield
    os.close(reader)
    os.close(writer)


def file_lock(seconds: float) -> Body:
    with folder_on_disk() as folder, (folder / "lock").open("wb") as theirs:
        with (folder / "lock").open("wb") as ours:
            fcntl.flock(theirs, fcntl.LOCK_EX)
            with after(seconds, lambda: fcntl.flock(theirs, fcntl.LOCK_UN)) as begin:
                yield
                begin()
                fcntl.flock(ours, fcntl.LOCK_EX)  # blocks
                yield


def fsync(seconds: float) -> Body:
    with folder_on_disk() as folder, (folder / "log").open("wb", buffering=0) as log:
        yield
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            os.fsync(log if log.write(b"a line of a log\n") else -1)  # blocks
        yield


def file_read(seconds: float) -> Body:
    with folder_on_disk() as folder:
        path = folder / "data"
        path.write_bytes(bytes(4 << 20))
        yield
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            path.read_bytes()  # blocks
        yield


def sqlite_lock(seconds: float) -> Body:
    with folder_on_disk() as folder:
        theirs = sqlite3.connect(folder / "db", isolation_level=None)
        ours = sqlite3.connect(folder / "db", isolation_level=None, timeout=seconds)
        theirs.execute("BEGIN EXCLUSIVE")
        yield
        try:
            ours.execute("BEGIN IMMEDIATE")  # blocks
        except sqlite3.OperationalError:
            pass
        yield
        ours.close()
        theirs.close()


def select_timeout(seconds: float) -> Body:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield
        select.select([ours], [], [], seconds)  # blocks
        yield


BLOCKERS = [
    Blocker(sleep, "waiting", everywhere=True),
    Blocker(urlopen, "waiting", everywhere=True),
    Blocker(http_client, "waiting"),
    Blocker(socket_recv, "waiting"),
    Blocker(socket_connect, "waiting"),
    Blocker(subprocess_run, "waiting", everywhere=True),
    Blocker(popen_read, "waiting"),
    Blocker(lock, "waiting", everywhere=True),
    Blocker(event, "waiting"),
    Blocker(queue_get, "waiting"),
    Blocker(future_result, "waiting"),
    Blocker(fifo_read, "waiting"),
    Blocker(pipe_read, "waiting"),
    Blocker(file_lock, "waiting"),
    Blocker(fsync, "waiting", also="native"),
    Blocker(file_read, "waiting", also="native"),
    Blocker(sqlite_lock, "waiting"),
    Blocker(select_timeout, "waiting"),
]
