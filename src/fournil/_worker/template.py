"""The process that workers are forked from: it starts them, and says how they ended.

It has one thread and next to nothing imported: to fork it is quick, and safe where to fork the
program, with its threads and locks, is not. It does nothing but wait, so it is there when its
parent ends, however that ends, and takes the workers with it.
"""

from __future__ import annotations

import ctypes
import gc
import os
import pickle
import select
import signal
import socket
import sys
from importlib import import_module
from struct import Struct

from fournil._worker.worker import ignore, work

TYPE_CHECKING = False  # typing takes longer to import than all else
if TYPE_CHECKING:
    from typing import Any, NoReturn

REQUEST = Struct("=I")
"""The number of the worker to be started; with it come its three descriptors."""

REPORT = Struct("=IIii")
"""Kind, number of the worker, its process, and its status or an errno."""

STARTED, NOT_STARTED, ENDED, FAILED = range(1, 5)

DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG
DESCRIPTORS = 3


def main(control: int) -> NoReturn:
    """Start workers as the parent asks, until it is gone.

    Args:
        control: the descriptor of a socket that keeps messages apart.
    """
    # Ctrl-C reaches all processes of a terminal; the parent decides.
    signal.signal(signal.SIGINT, ignore)
    Template(socket.socket(fileno=control)).serve()


class Template:
    """The template's only object."""

    def __init__(self, control: socket.socket) -> None:
        self.control = control
        self.numbers: dict[int, int] = {}  # of workers, by process
        try:
            given = control.recv(1 << 20)
        except ConnectionError:
            given = b""
        if not given:
            os._exit(0)  # the parent is gone already
        self.setup: dict[str, Any] = pickle.loads(given)
        self.prctl = ctypes.CDLL(None, use_errno=True).prctl

    def serve(self) -> NoReturn:
        sys.path[:] = self.setup["path"]
        sys.argv[:] = self.setup["argv"]
        if not self.setup["spawn"]:
            self.import_what_all_need()
            # What is there stays there: a collection in a child would copy its pages.
            gc.collect()
            gc.freeze()
        awake, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(waker)
        signal.signal(signal.SIGCHLD, ignore)
        self.own = [awake, waker]
        waits = select.poll()
        waits.register(self.control, select.POLLIN)
        waits.register(awake, select.POLLIN)
        while True:
            for descriptor, _ in waits.poll():
                if descriptor == awake:
                    os.read(awake, 4096)
                    self.tell_who_ended()
                else:
                    self.answer()

    def import_what_all_need(self) -> None:
        for name in self.setup["preload"]:
            try:
                import_module(name)
            except BaseException as error:
                text = f"{name}: {type(error).__name__}: {error}"
                self.report(FAILED, 0, 0, 0, text=text)
                os._exit(1)

    def answer(self) -> None:
        """Start a worker, or end with all of them when nobody is there to ask."""
        try:
            message, descriptors, _, _ = socket.recv_fds(self.control, REQUEST.size, DESCRIPTORS)
        except ConnectionError:  # of one that did not take all that it was told
            message, descriptors = b"", []
        if not message:
            self.end()
        (number,) = REQUEST.unpack(message)
        here = os.getpid()
        try:
            process = os.fork()
        except OSError as error:
            self.report(NOT_STARTED, number, 0, error.errno or 0)
            process = -1
        if process == 0:
            self.become(number, descriptors, here)
        for descriptor in descriptors:
            os.close(descriptor)
        if process > 0:
            self.numbers[process] = number
            handle = os.pidfd_open(process)
            self.report(STARTED, number, process, 0, handle)
            os.close(handle)

    def become(self, number: int, descriptors: list[int], parent: int) -> NoReturn:
        """Be a worker, in a process that was just forked."""
        try:
            self.prctl(DEATH_SIGNAL, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for descriptor in self.own:
                os.close(descriptor)
            self.control.close()
            name = f"{self.setup['name']} {number}"
            if self.setup["spawn"]:
                spawn(name, descriptors, self.setup)
            stream, side, ledger = descriptors
            work(name, socket.socket(fileno=stream), socket.socket(fileno=side), ledger, self.setup)
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            # Never back into the template's own loop.
            os._exit(1)

    def tell_who_ended(self) -> None:
        while self.numbers:
            try:
                process, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not process:
                return
            number = self.numbers.pop(process, None)
            if number is not None:
                self.report(ENDED, number, process, status)

    def report(
        self, kind: int, number: int, process: int, status: int, handle: int = -1, text: str = ""
    ) -> None:
        message = REPORT.pack(kind, number, process, status) + text.encode()[:10_000]
        try:
            socket.send_fds(self.control, [message], [] if handle < 0 else [handle])
        except OSError:
            self.end()

    def end(self) -> NoReturn:
        """End, and have the workers end: those that run a call too."""
        for process in self.numbers:
            # Not yet waited for: the number is still that of the child.
            os.kill(process, signal.SIGKILL)
        os._exit(0)


def spawn(name: str, descriptors: list[int], setup: dict[str, Any]) -> NoReturn:
    """Become a worker in a fresh interpreter."""
    for descriptor in descriptors:
        os.set_inheritable(descriptor, True)
    given = pickle.dumps((name, descriptors, setup)).hex()
    os.execv(sys.executable, [*setup["command"], code(setup["home"], f"spawned({given!r})")])


def code(home: str, call: str) -> str:
    """Return Python code that calls a function of this module, found in the package's folder."""
    return (
        f"import sys; sys.path.insert(0, {home!r}); from fournil._worker import template;"
        f" template.{call}"
    )


def spawned(given: str) -> NoReturn:
    """Be a worker, in a fresh interpreter."""
    name, (stream, side, ledger), setup = pickle.loads(bytes.fromhex(given))
    sys.path[:] = setup["path"]
    sys.argv[:] = setup["argv"]
    for descriptor in (stream, side, ledger):
        os.set_inheritable(descriptor, False)
    for module in setup["preload"]:
        import_module(module)
    work(name, socket.socket(fileno=stream), socket.socket(fileno=side), ledger, setup)
