"""A recording that is read again and again, and what is known of it after each time."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fournil.errors import RecordingError
from fournil.evidence.classify import Blocker
from fournil.observe.recording.live import State, load, snapshot
from fournil.observe.recording.model import Recording
from fournil.observe.recording.reading import Reader, Sections, read_buffer
from fournil.record import kinds, layout
from fournil.record.kinds import Kind
from tests.observe import samples
from tests.observe.builder import APP, HELD, OFF, Builder


def lost(header: dict[str, int], ring: str) -> bool:
    return header[f"{ring}_head"] > header[f"{ring}_count"]


def with_fields(data: bytes, **values: int) -> bytes:
    """Return a recording with other numbers in its header."""
    header = layout.HEADER.unpack(data) | values
    packed = layout.HEADER.struct.pack(*header.values())
    return packed.ljust(layout.HEADER_SIZE, b"\0") + data[layout.HEADER_SIZE :]


class Live:
    """A recording that goes on while it is read."""

    def __init__(self) -> None:
        self.data = b""
        self.state = State()
        self._sections = Sections("live", self._read)

    def _read(self, offset: int, size: int) -> bytes:
        return self.data[offset : offset + size]

    def become(self, data: bytes) -> Recording:
        """Let it be so now, and return what is known of it then."""
        self.data = data
        self.state.apply(self._sections.poll(len(data)))
        return self.state.recording()


def facts(recording: Recording) -> dict[str, object]:
    """Return all that a recording says, made."""
    return {
        name: getattr(recording, name)
        for name in ("run_s", "ended", "threads", "pools", "blocked", "script", "looks", "unseen")
    } | {
        "look_every_s": recording.look_every_s,
        "sites": dict(recording.sites),
        "tasks": dict(recording.tasks.items()),
        "calls": list(recording.calls),
        "events": list(recording.events),
    }


@pytest.mark.parametrize(
    "builder", [samples.bakery, samples.calm, samples.script, samples.killed, samples.pools]
)
def test_read_in_pieces_it_says_what_it_says_at_once(builder: Callable[[], Builder]) -> None:
    data = builder().build()
    written = layout.HEADER.unpack(data)
    # What a ring has overwritten is in no file that is made later.
    rings = [name for name in ("events", "samples", "calls") if not lost(written, name)]
    live = Live()
    for part in range(5):
        heads = {f"{name}_head": written[f"{name}_head"] * part // 5 for name in rings}
        live.become(with_fields(data, **heads))
    assert facts(live.become(data)) == facts(snapshot(read_buffer(data)))
    assert facts(live.become(data)) == facts(snapshot(read_buffer(data)))


def events(count: int, *, room: int = 64, closed: bool = True) -> bytes:
    builder = Builder(events=room).end(100.0, closed=closed)
    for number in range(count):
        builder.event(Kind.TASK, number / 10)
    return builder.build()


def test_as_much_is_kept_as_the_ring_holds() -> None:
    live = Live()
    for count in range(0, 500, 7):
        assert len(live.become(events(count, closed=False)).events) <= 64
    data = events(500)
    assert facts(live.become(data)) == facts(snapshot(read_buffer(data)))


def test_what_was_overwritten_between_two_polls_is_counted() -> None:
    live = Live()
    live.become(events(40))
    recording = live.become(events(200))
    assert recording.unseen.events == 200 - 64
    assert len(recording.events) == 64


def test_samples_are_kept_as_the_ring_keeps_them() -> None:
    def blocked(count: int) -> bytes:
        builder = Builder(samples=32)
        builder.loop(ran=90.0, blocked=count)
        task = builder.task(builder.site("main"))
        for number in range(count):
            builder.look(number, number + 0.1, number, HELD, [(APP, number, "f")], ask=number + 1)
            builder.answer(number + 1, 0.1)
            builder.blocked(number, number + 0.2, task)
        return builder.end(90.0).build()

    live = Live()
    for count in range(0, 80, 3):
        recording = live.become(blocked(count))
        assert facts(recording) == facts(snapshot(read_buffer(blocked(count))))
    last = live.state.recording()
    assert 0 < len(last.blocked) < 12
    assert last.unseen.samples == 3 * 78 - 32


def test_a_sample_that_was_not_yet_written_is_read_the_next_time() -> None:
    builder = Builder().end(9.0, closed=False)
    loop = builder.loop(ran=8.0, blocked=2)
    task = builder.task(builder.site("main"))
    builder.blocked(1.0, 1.5, task, thread=loop)
    builder.blocked(2.0, 2.5, task, thread=loop)
    data = builder.build()
    ring = layout.HEADER.unpack(data)["samples_offset"]
    unwritten = data[:ring] + bytes(layout.SAMPLE.size) + data[ring + layout.SAMPLE.size :]
    live = Live()
    assert len(live.become(unwritten).blocked) == 1
    assert [round(step.begin_s) for step in live.become(data).blocked] == [1, 2]
    assert len(live.become(data).blocked) == 2


def test_an_answer_that_comes_late_changes_the_class() -> None:
    builder = Builder().end(9.0, closed=False)
    loop = builder.loop(ran=8.0, blocked=1)
    task = builder.task(builder.site("main"))
    builder.look(1.0, 1.4, 1.0, HELD, [(APP, 7, "handle")], thread=loop, ask=3)
    builder.blocked(1.0, 1.5, task, thread=loop)
    live = Live()
    (step,) = live.become(builder.build()).blocked
    assert step.blocker is Blocker.PYTHON
    builder.answer(3, 0.4, thread=loop)
    (step,) = live.become(builder.build()).blocked
    assert step.blocker is Blocker.NATIVE_GIL


def test_a_step_is_blocked_while_it_runs_and_when_it_ended() -> None:
    def program(*, over: bool) -> bytes:
        builder = Builder().end(9.0, closed=False)
        task = builder.task(builder.site("main"))
        begin = 0.0 if over else 1.0
        loop = builder.loop(ran=8.0, blocked=int(over), begin=begin, subject=task, kind=Kind.TASK)
        builder.look(1.0, 3.0, 1.0, OFF, [(APP, 7, "handle")], thread=loop)
        if over:
            builder.blocked(1.0, 3.5, task, thread=loop)
        return builder.build()

    live = Live()
    (step,) = live.become(program(over=False)).blocked
    assert not step.ended
    assert step.duration_s == pytest.approx(2.0)
    (step,) = live.become(program(over=True)).blocked
    assert step.ended
    assert step.duration_s == pytest.approx(2.5)


def test_a_snapshot_stays_as_it_is() -> None:
    def program(steps: int, *names: str) -> bytes:
        builder = Builder(events=16).end(9.0, closed=False)
        site = builder.site("work", steps=steps)
        for name in names:
            builder.task(site, name=name, steps=steps)
        for number in range(steps):
            builder.event(Kind.TASK, number)
        return builder.build()

    live = Live()
    before = live.become(program(4, "one"))
    after = live.become(program(30, "one", "two"))
    assert [task.name for task in before.tasks.values()] == ["one"]
    assert [task.name for task in after.tasks.values()] == ["one", "two"]
    assert (before.sites[1].steps, after.sites[1].steps) == (4, 30)
    assert [round(event.begin) for event in before.events] == [0, 1, 2, 3]


def test_a_task_whose_slot_was_used_again_is_another() -> None:
    def program(id_: int, state: int) -> bytes:
        builder = Builder().end(9.0, closed=False)
        builder.task(builder.site("work"), id=id_, name=id_, state=state)
        return builder.build()

    live = Live()
    first = live.become(program(5, kinds.TASK_PENDING))
    assert first.tasks[5].name == "Task-5"
    again = live.become(program(5, kinds.TASK_FINISHED))
    assert again.tasks[5].state == kinds.TASK_FINISHED
    other = live.become(program(6, kinds.TASK_PENDING))
    assert list(other.tasks) == [6]
    assert 5 not in other.tasks


def test_nothing_read_nothing_known() -> None:
    with pytest.raises(ValueError, match="nothing was read yet"):
        State().recording()


def test_a_reader_reads_on(tmp_path: Path) -> None:
    path = tmp_path / "run.rec"
    path.write_bytes(events(5, closed=False))
    state = State()
    with Reader(str(path)) as reader:
        state.apply(reader.poll())
        path.write_bytes(events(9))
        delta = reader.poll()
        assert len(delta.events) == 4 * layout.EVENT.size
        state.apply(delta)
        assert not reader.poll().events
    assert facts(state.recording()) == facts(load(str(path)))


def test_a_reader_keeps_a_recording_that_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "run.rec"
    path.write_bytes(events(5))
    with Reader(str(path)) as reader:
        path.unlink()
        assert len(reader.poll().events) == 5 * layout.EVENT.size


def test_what_writes_is_alive(tmp_path: Path) -> None:
    path = tmp_path / "run.rec"
    data = with_fields(events(5, closed=False), pid=os.getpid())
    path.write_bytes(data)
    with Reader(str(path)) as reader:
        assert not reader.poll().alive  # nobody has mapped it
        path.write_bytes(with_fields(data, events_head=6))
        assert reader.poll().alive
        assert not reader.poll().alive


def test_another_programs_recording_in_the_same_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "run.rec"
    path.write_bytes(events(5))
    with Reader(str(path)) as reader:
        reader.poll()
        path.write_bytes(with_fields(events(5), pid=7))
        with pytest.raises(RecordingError, match="written anew by another program"):
            reader.poll()
