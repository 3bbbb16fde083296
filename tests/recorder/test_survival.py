"""What a recording holds of programs that die, fork, fill it, or run very many tasks and loops."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from fournil.observe.recording.live import snapshot
from fournil.observe.recording.model import Recording
from fournil.observe.recording.reading import read_file
from fournil.observe.recording.tasks import TaskState

PRELUDE = """
import asyncio, os, sys, threading, time
import fournil
path = sys.argv[1]
"""


def record(path: Path, program: str, *, status: int = 0) -> Recording:
    """Run a program that records into `path`, and return what the recording holds."""
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(program), str(path)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == status, done.stderr
    return snapshot(read_file(str(path)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "program.fournil"


def test_a_program_killed_between_steps(path: Path) -> None:
    recording = record(
        path,
        """
        async def work(number):
            await asyncio.sleep(0)
            await asyncio.sleep(3600)

        async def main():
            workers = [asyncio.create_task(work(n), name=f"worker-{n}") for n in range(5)]
            await asyncio.sleep(0.01)
            os.kill(os.getpid(), 9)

        fournil.Recorder(path).start()
        fournil.run(main())
        """,
        status=-signal.SIGKILL,
    )
    assert not recording.ended
    assert not recording.alive
    pending = {task.name for task in recording.tasks.values() if task.state is TaskState.PENDING}
    assert {f"worker-{n}" for n in range(5)} <= pending
    assert all(
        task.steps == 2 for task in recording.tasks.values() if task.name.startswith("worker-")
    )
    assert recording.unseen.events == 0


def test_a_program_killed_inside_a_step(path: Path) -> None:
    recording = record(
        path,
        """
        async def main():
            threading.Timer(0.4, os.kill, (os.getpid(), 9)).start()
            time.sleep(60)

        fournil.Recorder(path).start()
        fournil.run(main())
        """,
        status=-signal.SIGKILL,
    )
    (step,) = recording.blocked
    assert not step.ended
    assert step.blocker == "waiting"
    assert step.culprit.file == "<string>"
    assert recording.site_of(step.subject).function == "main"  # type: ignore[union-attr]


def test_a_full_ring_counts_what_it_dropped(path: Path) -> None:
    recording = record(
        path,
        """
        async def main():
            while True:
                for _ in range(10_000):
                    await asyncio.sleep(0)
                if recorder_events() > 11 * (1 << 15):
                    break

        from fournil.record.layout import HEADER
        def recorder_events():
            with open(path, "rb") as file:
                return HEADER.unpack(file.read(HEADER.size))["events_head"]

        with fournil.Recorder(path, size=2 << 20):
            fournil.run(main())
        """,
    )
    kept = sum(1 for _ in recording.events)
    assert recording.unseen.events > 10 * kept > 0
    (loop,) = recording.loops
    # The totals are not in the ring.
    assert loop.steps > 11 * (1 << 15) - 100
    main = next(task for task in recording.tasks.values() if task.name == "Task-1")
    assert main.steps > 11 * (1 << 15) - 100


def test_a_forked_child_does_not_write_into_the_recording(path: Path) -> None:
    recording = record(
        path,
        """
        async def child():
            for _ in range(1000):
                await asyncio.sleep(0)

        async def main():
            pid = os.fork()
            if pid == 0:
                # The step in which the fork happened goes on in the child.
                with fournil.Runner() as runner:
                    runner.run(child())
                # It is free to record itself.
                with fournil.Recorder(path + ".child"), fournil.Runner() as runner:
                    runner.run(child())
                os._exit(7)
            while True:
                done, status = os.waitpid(pid, os.WNOHANG)
                if done:
                    break
                await asyncio.sleep(0.001)
            assert os.waitstatus_to_exitcode(status) == 7, status

        with fournil.Recorder(path):
            fournil.run(main())
        """,
    )
    assert recording.ended
    assert recording.unseen.forks == 1
    assert len(recording.loops) == 1
    # main, and the two that close generators and the executor
    assert recording.tasks_born == 3
    assert all(site.function != "child" for site in recording.sites.values())
    own = snapshot(read_file(f"{path}.child"))
    assert own.tasks_born == 3
    assert own.pid != recording.pid


def test_a_hundred_thousand_tasks(path: Path) -> None:
    recording = record(
        path,
        """
        async def work(gate):
            await gate.wait()

        async def main():
            gate = asyncio.Event()
            tasks = [asyncio.create_task(work(gate)) for _ in range(100_000)]
            await asyncio.sleep(0)
            gate.set()
            await asyncio.gather(*tasks)

        with fournil.Recorder(path):
            fournil.run(main())
        """,
    )
    assert recording.tasks_born == 100_003
    assert recording.unseen.tasks == 0
    work = next(site for site in recording.sites.values() if site.function == "work")
    assert (work.tasks, work.ended, work.steps) == (100_000, 100_000, 200_000)
    workers = [task for task in recording.tasks.values() if recording.site_of(task.id) is work]
    assert len(workers) == 100_000
    assert all(task.state is TaskState.FINISHED for task in workers)


def test_more_tasks_than_slots_are_counted(path: Path) -> None:
    recording = record(
        path,
        """
        async def work(gate):
            await gate.wait()

        async def main():
            gate = asyncio.Event()
            tasks = [asyncio.create_task(work(gate)) for _ in range(30_000)]
            await asyncio.sleep(0)
            gate.set()
            await asyncio.gather(*tasks)
            for _ in range(5_000):
                await asyncio.create_task(work(gate))

        with fournil.Recorder(path, size=2 << 20):
            fournil.run(main())
        """,
    )
    assert recording.tasks_born == 35_003
    assert 0 < recording.unseen.tasks < 30_000
    work = next(site for site in recording.sites.values() if site.function == "work")
    # Those without a slot of their own are filed under their code.
    assert work.steps == 2 * 30_000 + 5_000


def test_four_loops_in_four_threads(path: Path) -> None:
    recording = record(
        path,
        """
        async def main(number):
            for _ in range(2_000):
                await asyncio.sleep(0)
            if number == 2:
                time.sleep(0.2)

        def run(number):
            fournil.run(main(number))

        with fournil.Recorder(path):
            threads = [
                threading.Thread(target=run, args=(n,), name=f"loop-{n}") for n in range(4)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        """,
    )
    assert sorted(loop.name for loop in recording.loops) == [f"loop-{n}" for n in range(4)]
    assert all(loop.steps >= 2_000 for loop in recording.loops)
    steps = [0] * 64
    for step in recording.events.steps():
        steps[step.thread] += 1
    assert {loop.index: loop.steps for loop in recording.loops} == {
        loop.index: steps[loop.index] for loop in recording.loops
    }
    slept = [step for step in recording.blocked if recording.threads[step.thread].name == "loop-2"]
    assert [step.blocker for step in slept] == ["waiting"]


def test_more_loops_than_slots(path: Path) -> None:
    recording = record(
        path,
        """
        async def main():
            await asyncio.sleep(0)

        with fournil.Recorder(path):
            for _ in range(200):
                fournil.run(main())
        """,
    )
    assert recording.unseen.closed_loops == 200 - 63  # one slot is the main thread's own
    assert len(recording.loops) == 63
    assert recording.unseen.loops == 0


def test_a_live_recording_can_be_read(path: Path) -> None:
    program = """
    async def main():
        print("running", flush=True)
        while not sys.stdin.closed:
            await asyncio.sleep(0)
            if os.path.exists(path + ".stop"):
                break

    with fournil.Recorder(path, size=2 << 20):
        fournil.run(main())
    """
    with subprocess.Popen(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(program), str(path)],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        before = 0
        for _ in range(20):
            recording = snapshot(read_file(str(path)))
            assert recording.alive
            assert not recording.ended
            (loop,) = recording.loops
            assert loop.steps >= before
            before = loop.steps
            begins = [step.begin for step in recording.events.steps()]
            assert begins == sorted(begins)
        Path(f"{path}.stop").touch()
    assert process.returncode == 0
    assert snapshot(read_file(str(path))).ended
