"""The public form of what the reader knows."""

from __future__ import annotations

from fournil.observe.recording import model, tasks
from fournil.observe.recording.lazy import LazySequence
from fournil.record import kinds
from fournil.recording.parts import (
    BlockedStep,
    Call,
    Frame,
    Lag,
    Loop,
    Lost,
    Pool,
    RunningCall,
    Second,
    Task,
)
from fournil.recording.snapshot import KINDS, STATES, Names, Recording

CALL_STATES = {
    kinds.CALL_DONE: "done",
    kinds.CALL_RAISED: "raised",
    kinds.CALL_CANCELLED: "cancelled",
    kinds.CALL_ABANDONED: "abandoned",
    kinds.CALL_DIED: "died",
}


def public(recording: model.Recording) -> Recording:
    names = Names(recording)
    loops = tuple(map(_loop, recording.loops))
    unseen = recording.unseen
    return Recording(
        pid=recording.pid,
        parent=recording.parent,
        program=recording.program,
        argv=recording.meta.argv,
        python=recording.meta.python,
        started_unix_s=recording.started_unix_s,
        run_s=recording.run_s,
        ended=recording.ended,
        alive=recording.alive,
        threshold_s=recording.threshold_s,
        lag=max(
            (loop.lag for loop in loops),
            key=lambda lag: (lag.p99_s, lag.max_s),
            default=Lag(0.0, 0.0, 0.0),
        ),
        loops=loops,
        sites=LazySequence(
            lambda: [site for index in recording.sites if (site := names.site(index))]
        ),
        tasks=LazySequence(
            lambda: [_task(task, recording, names) for task in recording.tasks.values()]
        ),
        tasks_born=recording.tasks_born,
        blocked=LazySequence(
            lambda: [_blocked(step, recording, names) for step in recording.blocked]
        ),
        slow_calls=LazySequence(
            lambda: [_blocked(step, recording, names) for step in recording.slow_calls]
        ),
        pools=tuple(map(_pool, recording.pools)),
        calls=LazySequence(lambda: [_call(call, recording, names) for call in recording.calls]),
        running=LazySequence(
            lambda: [
                RunningCall(
                    worker.pool, worker.name, names.site(worker.site), worker.calls, worker.since_s
                )
                for worker in recording.workers
                if worker.since_s is not None
            ]
        ),
        history=LazySequence(lambda: [Second(*second) for second in recording.history]),
        lost=Lost(unseen.events, unseen.calls, unseen.blocked, unseen.tasks, unseen.sites),
        _events=recording.events,
        _names=names,
    )


def _loop(loop: model.Thread) -> Loop:
    return Loop(
        number=loop.number,
        thread=loop.name,
        ran_s=loop.ran_s,
        busy_s=loop.busy_s,
        busy_share=loop.busy_share,
        gil_wait_s=loop.gil_wait_s,
        gil_longest_s=loop.gil_longest_s,
        steps=loop.steps,
        pending=loop.pending,
        blocked=loop.blocked,
        longest_s=loop.longest_s,
        lag=Lag(*loop.lag),
    )


def _task(task: tasks.Task, recording: model.Recording, names: Names) -> Task:
    return Task(
        id=task.id,
        name=task.name,
        site=names.site(task.site),
        state=STATES[task.state],
        made_by=recording.describe(task.parent),
        born_s=task.born_s,
        ended_s=task.ended_s,
        last_s=task.last_s,
        steps=task.steps,
        busy_s=task.busy_s,
        delay_s=task.delay_s,
        longest_s=task.longest_s,
    )


def _blocked(step: model.BlockedStep, recording: model.Recording, names: Names) -> BlockedStep:
    return BlockedStep(
        begin_s=step.begin_s,
        duration_s=step.duration_s,
        delay_s=step.delay_s,
        kind=KINDS.get(step.kind, "callback"),
        loop=names.loop(step.thread),
        who=recording.describe(step.subject),
        ended=step.ended,
        blocker=step.blocker.value if step.blocker else None,
        culprit=Frame(*step.culprit),
        stack=tuple(Frame(*frame) for frame in step.frames),
        gil_wait_s=step.gil_wait_s,
    )


def _pool(pool: model.Pool) -> Pool:
    return Pool(
        number=pool.number,
        kind=pool.kind,
        name=pool.name,
        workers=pool.workers,
        is_open=pool.is_open,
        open_s=pool.open_s,
        busy_share=pool.busy_share,
        calls=pool.calls,
        done=pool.done,
        raised=pool.raised,
        cancelled=pool.cancelled,
        abandoned=pool.abandoned,
        died=pool.died,
        in_flight=pool.in_flight,
        waited_s=pool.waited_s,
        travelled_s=pool.travelled_s,
        ran_s=pool.inside_s,
        cpu_s=pool.cpu_s,
    )


def _call(call: model.PoolCall, recording: model.Recording, names: Names) -> Call:
    # A call has the lowest bits of its pool's number.
    numbers = [pool.number for pool in recording.pools if pool.number & 0xFFFF == call.pool]
    return Call(
        pool=max(numbers, default=call.pool),
        site=names.site(call.site),
        worker=call.worker,
        state=CALL_STATES.get(call.state, "done"),
        queued_s=call.queued_s,
        sent_s=call.sent_s,
        began_s=call.began_s,
        ended_s=call.ended_s,
        received_s=call.received_s,
        bytes_out=call.bytes_out,
        bytes_back=call.bytes_back,
    )
