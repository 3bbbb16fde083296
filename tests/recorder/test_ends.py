"""However loops, recorders and interpreters come to their ends, a program ends as it would."""

from __future__ import annotations

import gc
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import fournil
from fournil._native import ring as native_ring
from fournil._native.gil_probe import GilProbe
from fournil._native.pools import PoolRecord
from fournil._native.ring import Ring
from fournil._native.stacks import StackStore
from fournil._native.steps import LoopRecord
from fournil._native.table import PointerTable
from fournil._native.threads import watch_script
from fournil._native.watch import Watch
from fournil.observe.recording.live import snapshot
from fournil.observe.recording.reading import read_file
from tests.recorder.programs import check

SIZE = 2 << 20

PROGRAMS = {
    "an unclosed loop": """
        fournil.Recorder(path).start()
        loop = fournil.new_event_loop()
        asyncio.set_event_loop(loop)
        task = loop.create_task(asyncio.sleep(100))
        loop.run_until_complete(asyncio.sleep(0))
        """,
    "an unclosed loop, stopped before": """
        with fournil.Recorder(path):
            loop = fournil.new_event_loop()
            asyncio.set_event_loop(loop)
            task = loop.create_task(asyncio.sleep(100))
            loop.run_until_complete(asyncio.sleep(0))
        """,
    "unclosed loops that are collected": """
        with fournil.Recorder(path):
            for _ in range(10):
                loop = fournil.new_event_loop()
                loop.itself = loop
                loop.task = loop.create_task(asyncio.sleep(100))
                loop.run_until_complete(asyncio.sleep(0))
                del loop
                gc.collect()
        """,
    "a loop that a class has, which the recording keeps": """
        def record():
            class Callback:
                def __call__(self): ...
            Callback.loop = fournil.new_event_loop()
            with fournil.Recorder(path):
                Callback.loop.call_soon(Callback())
                Callback.loop.run_until_complete(asyncio.sleep(0))

        for _ in range(10):
            record()
            gc.collect()
        """,
    "loops of threads that have ended": """
        loops = []

        def work():
            loops.append(fournil.new_event_loop())
            loops[-1].run_until_complete(asyncio.sleep(0))

        with fournil.Recorder(path):
            threads = [threading.Thread(target=work) for _ in range(10)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            del loops[::2]
            gc.collect()
        loops.clear()
        gc.collect()
        """,
    "a ring that is gone before its loop": """
        loop = fournil.new_event_loop()
        recorder = fournil.Recorder(path)
        recorder.start()
        loop.run_until_complete(asyncio.sleep(0))
        recorder.stop()
        del recorder
        gc.collect()
        loop.run_until_complete(asyncio.sleep(0))
        """,
    "a recorder that nobody stops": """
        import atexit

        def record():
            recorder = fournil.Recorder(path, threshold=0.001)
            recorder.start()
            atexit._clear()

        record()
        gc.collect()
        fournil.run(asyncio.sleep(0.01))
        """,
    "a recorder that starts at the end": """
        import atexit

        async def main():
            time.sleep(0.01)
            sum(range(1_000_000))

        def late():
            fournil.Recorder(path, threshold=0.001).start()
            fournil.run(main())

        atexit.register(late)
        """,
    "a daemon's loop that runs on": """
        begun = threading.Event()

        async def main():
            begun.set()
            while True:
                await asyncio.gather(*(asyncio.sleep(0) for _ in range(10)))
                sum(range(20_000))

        fournil.Recorder(path, threshold=0.001).start()
        threading.Thread(target=fournil.run, args=(main(),), daemon=True).start()
        begun.wait()
        """,
    "stopped and started while a loop runs": """
        begun, end = threading.Event(), threading.Event()

        async def main():
            begun.set()
            while not end.is_set():
                await asyncio.gather(*(asyncio.sleep(0) for _ in range(10)))

        thread = threading.Thread(target=fournil.run, args=(main(),))
        thread.start()
        begun.wait()
        for _ in range(20):
            with fournil.Recorder(path, threshold=0.001, size=2 << 20):
                sum(range(100_000))
        end.set()
        thread.join()
        """,
    "a child that ends with its parent's recorder": """
        loop = fournil.new_event_loop()
        fournil.Recorder(path).start()
        loop.run_until_complete(asyncio.sleep(0))
        pid = os.fork()
        if pid == 0:
            loop.run_until_complete(asyncio.sleep(0))
        else:
            assert os.waitpid(pid, 0)[1] == 0
        """,
    "an open pool": """
        fournil.Recorder(path).start()
        pool = fournil.ThreadPool(2)

        async def main():
            await pool.__aenter__()
            await pool.run(abs, -1)

        loop = fournil.new_event_loop()
        loop.run_until_complete(main())
        """,
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_programs(program: str, tmp_path: Path) -> None:
    check(program, tmp_path / "recording")


def test_a_loop_that_a_step_runs_from_within(tmp_path: Path) -> None:
    # As nest_asyncio does it. The step goes on after the inner ones, and the callback of those is
    # gone by then.
    path = tmp_path / "recording"
    check(
        """
        async def inner():
            await asyncio.sleep(0)

        async def main():
            loop = asyncio.get_running_loop()

            def outer():
                task = loop.create_task(inner(), name="inner")
                while not task.done():
                    loop._run_once()
                del task
                gc.collect()
                time.sleep(0.05)

            loop.call_soon(outer)
            await asyncio.sleep(0.01)

        with fournil.Recorder(path, threshold=0.02):
            fournil.run(main())
        """,
        path,
    )
    recording = snapshot(read_file(str(path)))
    (step,) = recording.blocked
    site = recording.site_of(step.subject)
    assert site is not None
    assert site.function.endswith("outer")
    assert site.steps == 1
    assert step.culprit.function.endswith("outer")


def test_an_interrupt_at_any_moment_of_start_and_stop(tmp_path: Path) -> None:
    check(
        """
        import random, sysconfig
        from fournil._native.ring import recording_path

        # The standard library's own first look at its configuration, interrupted, stays half done.
        sysconfig.get_paths()

        def interrupt(number, frame):
            raise KeyboardInterrupt

        signal.signal(signal.SIGALRM, interrupt)
        generator = random.Random(1)
        recorder = fournil.Recorder(path, size=2 << 20)
        for _ in range(100):
            try:
                signal.setitimer(signal.ITIMER_REAL, generator.random() * 0.03)
                recorder.start()
                fournil.run(asyncio.sleep(0))
                recorder.stop()
                signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                pass
            recorder.stop()
            assert recording_path() is None
        # The kernel shows a thread for a moment after it was joined.
        while len(os.listdir("/proc/self/task")) > 1:
            pass
        """,
        tmp_path / "recording",
    )


# Private classes, called with anything.

ANYTHING: list[Any] = [
    None, 0, -1, 1 << 70, "text", b"bytes", (), [], {}, object(), 1.5, type, print, (1, 2, 3, 4, 5),
]  # fmt: skip


def attempt(call: Callable[..., object], *arguments: object) -> None:
    try:
        call(*arguments)
    except (TypeError, ValueError, OverflowError, OSError, RuntimeError, AttributeError):
        pass


@pytest.fixture
def ring(tmp_path: Path) -> Iterator[Ring]:
    with (tmp_path / "recording").open("w+b") as file:
        yield Ring(file.fileno(), file.name, SIZE, 10**9, 10**6, 1, 1, {})


@pytest.mark.parametrize(
    "kind", [Ring, LoopRecord, PoolRecord, Watch, GilProbe, StackStore, PointerTable]
)
def test_made_of_anything(kind: type, ring: Ring) -> None:
    standard_input = os.fstat(0)
    attempt(kind)
    for count in (1, 2):
        for arguments in itertools.product([*ANYTHING, ring], repeat=count):
            attempt(kind, *arguments)
    for arguments in itertools.product(ANYTHING, repeat=3):
        attempt(kind, ring, *arguments)
    assert os.path.samestat(os.fstat(0), standard_input)


def test_methods_called_with_anything(ring: Ring) -> None:
    pool = PoolRecord(ring, "kind", "name", 1)
    table = PointerTable()
    for thing in ANYTHING:
        attempt(native_ring.note_problem, thing)
        attempt(ring.note_never_awaited, thing)
        attempt(pool.used, thing)
        attempt(table._put, thing, thing)
        attempt(table._remove, thing)
        attempt(table._get, thing)
        attempt(pool.ended, thing, thing, thing, thing, thing, thing, thing)
        attempt(pool.ended, thing, "worker", 1, 1, (1, 2, 3, 4, 5), 1, 1)
        attempt(pool.ended, len, "worker", 1, 1, thing, 1, 1)
    pool.close()
    pool.close()
    pool.ended(len, "worker", 1, 1, (1, 2, 3, 4, 5), 1, 1)


def test_methods_called_at_any_time(ring: Ring) -> None:
    watch = Watch(ring)
    watch.stop()
    watch.start()
    with pytest.raises(RuntimeError, match="a watch is started once"):
        watch.start()
    watch.stop()
    watch.stop()
    with pytest.raises(RuntimeError, match="a watch is started once"):
        watch.start()
    for _ in range(100):
        watch_script(ring)
    ring.end()
    for act in (ring.begin, ring.begin, ring.end, ring.end, ring.begin, native_ring.detach):
        act()
    ring.end()
    assert native_ring.recording_path() is None


def test_a_watch_that_is_left_running_goes_with_the_process(tmp_path: Path) -> None:
    check(
        """
        from fournil._native.ring import Ring
        from fournil._native.watch import Watch

        with open(path, "w+b") as file:
            Watch(Ring(file.fileno(), path, 2 << 20, 10**6, 10**6, 1, 1, {})).start()
        gc.collect()
        """,
        tmp_path / "recording",
    )


def test_records_in_cycles(ring: Ring) -> None:
    class Looped(LoopRecord):
        pass

    for _ in range(100):
        record = Looped(ring)
        record.itself = record  # type: ignore[attr-defined]
    gc.collect()


def test_a_closed_loop_keeps_no_recording(tmp_path: Path) -> None:
    """Nor does the executor that it had, where somebody keeps that."""
    gc.collect()
    before = sum(type(one) is Ring for one in gc.get_objects())
    with fournil.Recorder(tmp_path / "recording", size=SIZE):
        loop = fournil.EventLoop()
        loop.run_until_complete(loop.run_in_executor(None, int))
        executor = loop._default_executor
        loop.close()
    gc.collect()
    assert executor is not None
    assert sum(type(one) is Ring for one in gc.get_objects()) == before


def test_more_recordings_than_can_be_guarded(tmp_path: Path) -> None:
    def make(number: int) -> Ring:
        with (tmp_path / str(number)).open("w+b") as file:
            return Ring(file.fileno(), file.name, SIZE, 10**9, 10**6, 1, 1, {})

    gc.collect()
    rings = [make(number) for number in range(64)]
    with pytest.raises(RuntimeError, match="close these loops first"):
        make(64)
    rings.clear()
    with fournil.Recorder(tmp_path / "recording", size=SIZE):
        pass
