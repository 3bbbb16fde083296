"""Forkserver: the process that workers are forked from, each with a reaper of its own.

It has one thread and next to nothing imported: to fork it is quick, and safe where to fork the
program, with its threads and locks, is not. It does nothing but wait, so it is there when its
parent ends, however that ends, and takes the workers with it.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
from errno import EMFILE, ENOMEM
from functools import partial
from importlib import import_module
from struct import Struct

from fournil._worker.own import STANDARD
from fournil._worker.starting import reaper
from fournil._worker.starting.command import command, start_of
from fournil._worker.worker import ignore, work

TYPE_CHECKING = False  # typing takes longer to import than all else
if TYPE_CHECKING:
    from typing import Any, NoReturn

REQUEST = Struct("=I")
"""The number of the worker to be started; its descriptors come with it."""

DESCRIPTORS = 4
"""The worker's stream, its side, its control block; and where the reaper reports."""

REFUSAL = Struct("=IIi")
"""Kind, number of the worker, errno; after it may stand a text."""

NOT_STARTED = 1
FAILED = 2  # all: what is to be preloaded cannot be imported


def main(file: int, told: dict[str, Any], control: int) -> NoReturn:
    """Start workers as the parent asks, until it is gone.

    Args:
        file: the descriptor of what stands in `told`.
        told: what this process and the workers need to know.
        control: the descriptor of a socket that keeps messages apart.
    """
    # Ctrl-C reaches all processes of a terminal; the parent decides.
    signal.signal(signal.SIGINT, ignore)
    take_standard()
    start_of(told)
    Forkserver(file, told, socket.socket(fileno=control)).serve()


def take_standard() -> None:
    """Have the numbers of standard input and output taken: who writes there means no socket."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) < STANDARD:
        pass
    os.close(descriptor)


class Forkserver:
    """State of the forkserver, of which there is one in its process."""

    def __init__(self, file: int, told: dict[str, Any], control: socket.socket) -> None:
        self.file = file
        self.told = told
        self.control = control
        self.process = os.getpid()

    def serve(self) -> NoReturn:
        if not self.told["spawn"]:
            os.close(self.file)
            self.import_what_all_need()
            # What is there stays there: a collection in a child would copy its pages.
            gc.collect()
            gc.freeze()
        # Nobody waits for a reaper, which has told what there was to tell.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while True:
            self.answer()

    def import_what_all_need(self) -> None:
        for name in self.told["preload"]:
            try:
                import_module(name)
            except BaseException as error:
                self.refuse(FAILED, 0, 0, f"{name}: {type(error).__name__}: {error}")
                os._exit(1)

    def answer(self) -> None:
        """Start a worker, or end when nobody is there to ask: the reapers see to the workers."""
        try:
            message, descriptors, _, _ = socket.recv_fds(self.control, REQUEST.size, DESCRIPTORS)
        except ConnectionError:  # of one that did not take all that it was told
            message, descriptors = b"", []
        if not message:
            os._exit(0)
        (number,) = REQUEST.unpack(message)
        if len(descriptors) < DESCRIPTORS:
            # Those for which there was no room here are gone.
            self.refuse(NOT_STARTED, number, EMFILE)
        else:
            try:
                if os.fork() == 0:
                    self.become_reaper(number, descriptors)
            except OSError as error:
                self.refuse(NOT_STARTED, number, error.errno or ENOMEM)
        for descriptor in descriptors:
            os.close(descriptor)

    def become_reaper(self, number: int, descriptors: list[int]) -> NoReturn:
        """Be a worker and its reaper, in a process that was just forked."""
        try:
            self.control.close()
            *own, reports = descriptors
            become = self.spawn if self.told["spawn"] else self.work
            reaper.keep(
                socket.socket(fileno=reports), self.process, partial(become, number, own), own
            )
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            # Never back into the forkserver's own loop.
            os._exit(1)

    def work(self, number: int, descriptors: list[int]) -> NoReturn:
        work(number, descriptors, self.told)

    def spawn(self, number: int, descriptors: list[int]) -> NoReturn:
        """Become a worker in a fresh interpreter."""
        for descriptor in (self.file, *descriptors):
            os.set_inheritable(descriptor, True)
        line = command(self.told["options"], self.file, "spawned", number, *descriptors)
        environment = self.told["started with"]
        os.execve(sys.executable, line, os.environb if environment is None else environment)

    def refuse(self, kind: int, number: int, code: int, text: str = "") -> None:
        message = REFUSAL.pack(kind, number, code) + text.encode(errors="replace")[:10_000]
        try:
            self.control.send(message)
        except OSError:
            os._exit(0)
