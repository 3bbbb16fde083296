"""The watch beside a program: what it takes, what it gives back, and what it leaves alone."""

from __future__ import annotations

import asyncio
import ctypes
import os
import platform
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import fournil
from fournil.evidence.classify import Blocker
from fournil.observe.recording.live import snapshot
from fournil.observe.recording.model import BlockedStep, Recording
from fournil.observe.recording.reading import read_file

Step = Callable[[], object]

THRESHOLD = 0.02
SMALL = 2 << 20
"""The size of a recording where only few things happen."""

# Others have the timer's signal sent while the thread is still inside the system call.
LINUX = tuple(map(int, re.findall(r"\d+", platform.release())[:2]))


class Watched:
    """Runs steps under a watch; then `recording` says what it saw."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def run(self, *steps: Step, threshold: float = THRESHOLD) -> list[object]:
        """Run each step in a task of its own, one after the other; return what they return."""

        async def main() -> list[object]:
            return [await asyncio.create_task(in_task(step)) for step in steps]

        async def in_task(step: Step) -> object:
            return step()

        with self.recorder(threshold=threshold):
            return fournil.run(main())

    def recorder(self, *, threshold: float = THRESHOLD, watch: bool = True) -> fournil.Recorder:
        return fournil.Recorder(self.path, threshold=threshold, size=SMALL, watch=watch)

    @property
    def header(self) -> dict[str, int]:
        return read_file(self.path).header

    @property
    def recording(self) -> Recording:
        return snapshot(read_file(self.path))

    def blocked_in(self, function: str) -> BlockedStep:
        """Return the longest step that blocked in a function, and had a CPU if any of them had."""
        steps = [
            step
            for step in self.recording.blocked
            if step.culprit.function.rpartition(".")[2] == function
        ]
        assert steps, self.recording.blocked
        return max(steps, key=lambda step: (step.blocker is not Blocker.STARVED, step.duration_s))


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path / "recording")


def compute(seconds: float) -> None:
    """Run Python code for so long, as measured on the CPU."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def keep_gil(seconds: float) -> None:
    """Run C code that keeps the GIL, in calls of about so long."""
    length, took = 18, 0.0
    while took < seconds / 2:
        begin = time.thread_time()
        re.match("(a+)+$", "a" * length + "b")
        took = time.thread_time() - begin
        length += 1


def caught_signals() -> int:
    """Return the signals that have a handler, as a mask."""
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"^SigCgt:\s*(\w+)", status, re.MULTILINE)[0], 16)


def thread_names() -> Counter[str]:
    """Return the names of this process's threads, native ones included."""
    names: Counter[str] = Counter()
    for task in Path("/proc/self/task").iterdir():
        try:
            names[(task / "comm").read_text().strip()] += 1
        except OSError:
            continue  # it has ended just now
    return names


def watching_threads() -> list[str]:
    return sorted(name for name in thread_names().elements() if name.startswith("fournil-"))


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.001)


# The signal.


def test_the_signal_is_taken_and_given_back(watched: Watched) -> None:
    before = caught_signals()
    with watched.recorder():
        number = watched.header["watch_signal"]
        assert number == signal.SIGURG
        assert caught_signals() == before | 1 << (number - 1)
        assert signal.getsignal(number) is signal.SIG_DFL
    assert caught_signals() == before
    assert signal.getsignal(number) is signal.SIG_DFL


def test_without_a_watch_no_signal_is_taken(watched: Watched) -> None:
    before = caught_signals()
    with watched.recorder(watch=False):
        assert caught_signals() == before
        assert watching_threads() == []
        assert watched.header["watch_signal"] == 0


@pytest.fixture
def own_handler() -> Iterator[Callable[[int], list[int]]]:
    """Set a handler that notes its calls; restored at the end."""
    before: dict[int, object] = {}

    def set_handler(number: int) -> list[int]:
        calls: list[int] = []
        before[number] = signal.signal(number, lambda number, frame: calls.append(number))
        return calls

    yield set_handler
    for number, handler in before.items():
        signal.signal(number, handler)  # type: ignore[arg-type]


def test_a_signal_that_the_program_uses_is_left_to_it(
    watched: Watched, own_handler: Callable[[int], list[int]]
) -> None:
    used = signal.SIGURG
    calls = own_handler(used)
    with watched.recorder():
        assert signal.SIGRTMIN < watched.header["watch_signal"] < signal.SIGRTMAX
        signal.raise_signal(used)
    signal.raise_signal(used)
    assert calls == [used, used]


def test_a_program_that_takes_the_watchs_signal_gets_it(
    watched: Watched, own_handler: Callable[[int], list[int]]
) -> None:
    taken: list[int] = []
    calls: list[int] = []

    def take() -> None:
        taken.append(watched.header["watch_signal"])
        calls.extend(own_handler(taken[0]))

    watched.run(take, lambda: compute(0.2))
    assert watched.recording.unseen.signal_lost == taken[0]
    assert watched.header["watch_signal"] == 0
    assert watched.blocked_in("compute").blocker is Blocker.PYTHON
    assert calls == []
    assert signal.getsignal(taken[0]) not in {signal.SIG_DFL, signal.SIG_IGN, None}


def test_a_thread_that_blocks_the_signal_is_seen_all_the_same(watched: Watched) -> None:
    def compute_undisturbed() -> None:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [watched.header["watch_signal"]])
        compute(0.4)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    watched.run(compute_undisturbed)
    assert watched.blocked_in("compute").blocker is Blocker.PYTHON
    assert watched.recording.unseen.unanswered > 0


# System calls.

LIBC = ctypes.CDLL(None, use_errno=True)


class TimeSpec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class TimeVal(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("microseconds", ctypes.c_long))


def poll(ms: int) -> int:
    return int(LIBC.poll(None, 0, ms))


def select(ms: int) -> int:
    return int(LIBC.select(0, None, None, None, ctypes.byref(TimeVal(0, ms * 1000))))


def nanosleep(ms: int) -> int:
    return int(LIBC.nanosleep(ctypes.byref(TimeSpec(0, ms * 1_000_000)), None))


def epoll_wait(ms: int) -> int:
    descriptor = LIBC.epoll_create1(os.O_CLOEXEC)
    events = ctypes.create_string_buffer(64)
    answer = int(LIBC.epoll_wait(descriptor, events, 1, ms))
    os.close(descriptor)
    return answer


@pytest.mark.parametrize("call", [poll, select, nanosleep, epoll_wait])
def test_no_system_call_is_ended_early(call: Callable[[int], int], watched: Watched) -> None:
    # None of these starts again after a signal, and nothing here starts them again either.
    def compute_and_wait() -> tuple[int, int]:
        ctypes.set_errno(0)
        compute(0.01)
        return call(60), ctypes.get_errno()

    assert watched.run(*[compute_and_wait] * 20) == [(0, 0)] * 20
    assert len(watched.recording.blocked) >= 20
    assert watched.blocked_in(call.__name__).blocker is Blocker.WAITING


@pytest.mark.skipif(LINUX < (5, 10), reason="a tick may find the thread inside the call")
def test_no_system_call_on_the_cpu_is_cut_short(watched: Watched) -> None:
    # The kernel ends both of these at a signal, with what it has done so far.
    target = bytearray(64 << 20)
    random = (1 << 25) - 1

    def read() -> bool:
        with open("/dev/zero", "rb", buffering=0) as zeros:
            return zeros.readinto(target) == len(target)

    def get_random() -> bool:
        return len(os.getrandom(random)) == random

    steps = [read, get_random] * 10
    assert watched.run(*steps, threshold=0.002) == [True] * 20
    assert watched.recording.looks > 0


def test_a_long_system_call_that_uses_the_cpu_does_not_wait(watched: Watched) -> None:
    # Longer than the watch's patience with a thread that does not answer.
    def read() -> None:
        target = bytearray(64 << 20)
        with open("/dev/zero", "rb", buffering=0) as zeros:
            end = time.thread_time() + 0.3
            while time.thread_time() < end:
                os.readv(zeros.fileno(), [target] * 16)

    watched.run(read)
    assert watched.blocked_in("read").blocker is Blocker.NATIVE


# The program's own signals.


def test_timers_of_the_program_arrive_in_the_main_thread(watched: Watched) -> None:
    arrived: list[int] = []
    before = signal.signal(
        signal.SIGALRM, lambda number, frame: arrived.append(threading.get_native_id())
    )

    def tick() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
        end = time.monotonic() + 10
        while len(arrived) < 20 and time.monotonic() < end:
            pass
        signal.setitimer(signal.ITIMER_REAL, 0)

    try:
        watched.run(tick)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert len(arrived) >= 20
    assert set(arrived) == {threading.get_native_id()}
    assert watched.blocked_in("tick")


def test_signal_handlers_of_the_loop_are_called(watched: Watched) -> None:
    async def main() -> int:
        loop, arrived = asyncio.get_running_loop(), asyncio.Semaphore(0)
        loop.add_signal_handler(signal.SIGUSR1, arrived.release)
        for _ in range(5):
            os.kill(os.getpid(), signal.SIGUSR1)
            compute(0.05)
            await arrived.acquire()
        return threading.get_native_id()

    with watched.recorder():
        assert fournil.run(main()) == threading.get_native_id()
    assert len(watched.recording.blocked) >= 5


# Threads and what else is held.


def test_the_threads_end(watched: Watched) -> None:
    before = thread_names()
    with watched.recorder():
        assert watching_threads() == ["fournil-ask", "fournil-watch"]
    # The kernel shows a thread for a moment after it was joined: those of others may be among
    # what was there before.
    wait_until(lambda: thread_names() <= before)


def test_no_timer_is_left(watched: Watched) -> None:
    timers = Path("/proc/self/timers")
    if not timers.exists():
        pytest.skip("the kernel does not list a process's timers")
    watched.run(lambda: compute(0.1))
    assert watched.recording.looks > 0
    assert timers.read_text() == ""


def held() -> tuple[int, int]:
    return len(os.listdir("/proc/self/fd")), sum(thread_names().values())


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_starting_and_stopping_leaks_nothing(tmp_path: Path) -> None:
    def start_and_stop(times: int) -> None:
        for _ in range(times):
            with fournil.Recorder(tmp_path / "recording", size=SMALL):
                pass

    start_and_stop(20)
    wait_until(lambda: not watching_threads())
    before, memory = held(), resident_bytes()
    start_and_stop(200)
    wait_until(lambda: all(now <= then for now, then in zip(held(), before, strict=True)))
    # A watch that stays takes 200 KiB.
    assert resident_bytes() - memory < 100 * 200 * 1024


# The GIL.


def test_a_step_is_timed_while_the_request_to_the_one_before_is_open(watched: Watched) -> None:
    # Each Python step is looked at and asked just before it ends.
    numbers = [random.random() for _ in range(400_000)]

    def sort() -> None:
        sorted(numbers)

    watched.run(*[lambda: compute(THRESHOLD + 0.004), sort] * 20)
    classes = Counter(
        (step.culprit.function.rpartition(".")[2], step.blocker)
        for step in watched.recording.blocked
    )
    right = classes["sort", Blocker.NATIVE_GIL]
    assert right >= 4 * classes["sort", Blocker.PYTHON], classes
    assert right >= 10, classes


# Starting, stopping and forking at bad moments.


def test_stopping_while_a_step_keeps_the_gil(watched: Watched) -> None:
    begun = threading.Event()

    async def block() -> None:
        begun.set()
        keep_gil(0.3)

    recorder = watched.recorder()
    recorder.start()
    thread = threading.Thread(target=fournil.run, args=(block(),))
    thread.start()
    begun.wait()
    recorder.stop()
    assert watching_threads() == []
    thread.join()
    assert watched.recording.ended


def test_a_recorder_that_a_step_starts_sees_the_next_one(watched: Watched) -> None:
    async def main() -> None:
        with watched.recorder():
            await asyncio.sleep(0)
            time.sleep(0.1)
            await asyncio.sleep(0)

    fournil.run(main())
    assert watched.blocked_in("main").blocker is Blocker.WAITING


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forking_in_a_blocked_step(watched: Watched) -> None:
    def fork() -> int:
        compute(0.05)
        child = os.fork()
        if child == 0:
            compute(0.1)
            os._exit(0)
        return os.waitpid(child, 0)[1]

    assert watched.run(fork, lambda: time.sleep(0.05)) == [0, None]
    assert watched.blocked_in("fork")
    assert watched.blocked_in("<lambda>").blocker is Blocker.WAITING
    assert watched.recording.unseen.forks == 1


CALLED_BY_C = """
import sys, fournil

def key(number):
    return -number

async def main():
    for _ in range(15):
        sorted(range(200_000), key=key)

with fournil.Recorder(sys.argv[1], threshold=0.001):
    fournil.run(main())
"""


def test_python_code_that_c_code_calls_can_be_looked_at_at_any_moment(watched: Watched) -> None:
    # CPython 3.11 and 3.12 enter such code with a half-made frame.
    subprocess.run([sys.executable, "-c", CALLED_BY_C, watched.path], check=True)
    assert watched.recording.looks > 10
    functions = {frame.function for step in watched.recording.blocked for frame in step.lines}
    assert functions <= {"key", "main"}


# A new program starts with its predecessor's pending signals, and not with its handlers.

EXEC_WITH_THE_SIGNAL_PENDING = """
import os, signal, sys, threading
import fournil
from fournil.observe.recording.reading import read_file

with fournil.Recorder(sys.argv[1], size=2 << 20):
    number = read_file(sys.argv[1]).header["watch_signal"]
    assert number
    signal.pthread_sigmask(signal.SIG_BLOCK, [number])
    signal.pthread_kill(threading.get_ident(), number)
    unblock = f"import signal; signal.pthread_sigmask(signal.SIG_UNBLOCK, [{number}])"
    os.execv(sys.executable, [sys.executable, "-c", unblock + "; print('lives')"])
"""

EXEC_WHILE_THE_WATCH_ASKS = """
import os, sys, time
import fournil

async def main():
    end = time.thread_time() + 0.002 + 0.0005 * (left % 16)
    while time.thread_time() < end:
        pass
    if left:
        os.execv(sys.executable, [*sys.orig_argv[:-1], str(left - 1)])
    print("lives")

left = int(sys.argv[2])
with fournil.Recorder(sys.argv[1], threshold=0.001, size=2 << 20):
    fournil.run(main())
"""


@pytest.mark.parametrize(
    ("program", "words"), [(EXEC_WITH_THE_SIGNAL_PENDING, []), (EXEC_WHILE_THE_WATCH_ASKS, ["32"])]
)
def test_a_program_that_replaces_itself_lives(
    program: str, words: list[str], watched: Watched
) -> None:
    command = [sys.executable, "-c", program, watched.path, *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.stdout, done.stderr, done.returncode) == ("lives\n", "", 0)
