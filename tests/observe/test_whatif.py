"""Replays: hand-made runs, programs of many sorts against their mended selves, and garbage."""

from __future__ import annotations

import math
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings, strategies as st

from fournil.observe.recording.lag import Lag
from fournil.observe.replay.causes import find_causes
from fournil.observe.replay.steps import NONE, Columns
from fournil.observe.replay.whatif import Outcome, Replay, Step, replay
from fournil.record.kinds import SITE_BIT, Kind
from tests.observe.toyloop import (
    Ask,
    Block,
    Get,
    Join,
    Pipe,
    Program,
    Put,
    Queue,
    Receive,
    Send,
    Sleep,
    Spawn,
    ToyLoop,
)
from tests.observe.toyprograms import (
    AWAIT,
    IN_THREAD,
    NATIVE,
    PROCESS,
    all_of,
    doing,
    mended,
    predicted,
    recorded,
)

SITE = SITE_BIT | 9


class TestHandMadeRuns:
    def test_three_blocks_under_gather(self) -> None:
        def make() -> Program:
            return all_of(*[lambda: doing(Sleep(0.01), Block(0.3))] * 3)

        _, loop = recorded(make)
        assert loop.now == pytest.approx(0.91, rel=0.01)
        assert predicted(make).run_s == pytest.approx(0.31, rel=0.01)

    def test_timers_that_fire_one_right_after_the_other_each_wake_their_own_task(self) -> None:
        # Code that fires timers has one site for all: which one woke a task is told by when.
        def timer(begin: float, duration: float) -> Step:
            return Step(begin, duration, 0.001, SITE, 0, 1, Kind.TIMER)

        second = 2.0 + 4.14e-6
        steps = [
            Step(1.0, 1e-5, 0.0, 1, 0, 1, Kind.TASK),
            Step(1.0 + 1e-5, 1e-5, 0.0, 2, 0, 1, Kind.TASK),
            timer(2.0, 4.14e-6),
            timer(second, 2.8e-5),
            # It became ready 80 ns before the second timer fired.
            Step(2.1, 0.1, 2.1 - (second - 8e-8), 1, SITE, 1, Kind.TASK),
            Step(2.2, 0.1, 2.2 - (second + 2.7e-5), 2, SITE, 1, Kind.TASK),
        ]
        assert find_causes(Columns.of(steps)).base[4:] == [2, 3]

    def test_cpu_work_shares_the_cores(self) -> None:
        def make() -> Program:
            return all_of(*[lambda: doing(Block(0.2))] * 4)

        assert predicted(make, PROCESS, cores=2).run_s == pytest.approx(0.4, rel=0.01)
        assert predicted(make, PROCESS, cores=4).run_s == pytest.approx(0.2, rel=0.01)
        assert predicted(make, PROCESS, cores=1).run_s == pytest.approx(0.8, rel=0.01)
        assert predicted(make, NATIVE, cores=2).run_s == pytest.approx(0.4, rel=0.01)

    def test_threads_that_wait_are_bounded_by_the_pool(self) -> None:
        def make() -> Program:
            return all_of(*[lambda: doing(Block(0.1))] * 12)

        assert predicted(make, IN_THREAD, cores=2).run_s == pytest.approx(0.2, rel=0.02)
        assert predicted(make, AWAIT, cores=2).run_s == pytest.approx(0.1, rel=0.02)

    def test_a_chain_gains_nothing(self) -> None:
        def make() -> Program:
            for _ in range(5):
                task = yield Spawn(doing(Block(0.1)))
                yield Join([task])

        assert predicted(make).run_s == pytest.approx(0.5, rel=0.01)

    def test_one_task_gains_nothing_and_keeps_its_order(self) -> None:
        def make() -> Program:
            return doing(Block(0.1), Sleep(0.1), Block(0.2), Sleep(0.1))

        outcome = predicted(make)
        assert outcome.run_s == pytest.approx(0.5, rel=0.01)
        assert outcome.busy_s < 0.001

    def test_children_of_unequal_length_are_all_awaited(self) -> None:
        def make() -> Program:
            yield from all_of(*[lambda s=s: doing(Block(s)) for s in (0.3, 0.1, 0.05)])
            yield Sleep(0.1)

        assert predicted(make).run_s == pytest.approx(0.4, rel=0.01)

    def test_tasks_awaited_one_after_the_other(self) -> None:
        def make() -> Program:
            tasks = []
            for seconds in (0.05, 0.2, 0.1):
                task = yield Spawn(doing(Sleep(0.01), Block(seconds)))
                tasks.append(task)
            for task in tasks:
                yield Join([task])
            yield Sleep(0.1)

        assert predicted(make).run_s == pytest.approx(0.31, rel=0.01)

    def test_what_another_task_does_meanwhile(self) -> None:
        def make() -> Program:
            return all_of(
                lambda: doing(Sleep(0.1), times=5), lambda: doing(Sleep(0.01), Block(0.3), times=2)
            )

        assert predicted(make).run_s == pytest.approx(mended(make), rel=0.02)

    def test_a_timer_that_sets_itself_again(self) -> None:
        loop = ToyLoop()

        def tick() -> None:
            loop.call_later(0.02, tick)
            loop.block(0.05)

        def program() -> Program:
            tick()
            yield Sleep(0.5)

        run_s = loop.run(program())
        ticks = [i for i, step in enumerate(loop.steps) if step.subject == SITE_BIT | 4]
        causes = find_causes(Columns.of(loop.steps))
        assert len(ticks) > 8
        for before, tick_step in pairwise(ticks):
            assert causes.base[tick_step] == before
            assert causes.offset[tick_step] == pytest.approx(0.02, abs=1e-4)
        outcome = replay(loop.steps, dict.fromkeys(ticks, AWAIT), cores=2, run_s=run_s)
        assert outcome.run_s == pytest.approx(0.55, rel=0.02)  # the first tick is a task's
        assert outcome.busy_s < 0.06

    def test_timers_that_were_set_together_keep_their_time(self) -> None:
        loop = ToyLoop()

        def program() -> Program:
            for number in range(4):
                loop.call_later(0.1 * (number + 1), lambda: loop.block(0.3))
            yield Sleep(1.5)

        loop.run(program())
        causes = find_causes(Columns.of(loop.steps))
        late = [i for i, step in enumerate(loop.steps) if step.subject == SITE_BIT | 4][2:]
        assert [causes.base[index] for index in late] == [NONE, NONE]
        assert [causes.offset[index] for index in late] == pytest.approx([0.3, 0.4], abs=1e-3)

    def test_a_heartbeat_does_not_hold_the_run(self) -> None:
        def heartbeat() -> Program:
            while True:
                yield Sleep(0.02)

        def make() -> Program:
            yield Spawn(heartbeat())
            yield from all_of(*[lambda: doing(Sleep(0.01), Block(0.3))] * 3)

        outcome = predicted(make)
        assert outcome.run_s == pytest.approx(0.31, rel=0.01)
        assert outcome.busy_s == pytest.approx(0.0, abs=0.002)

    def test_queue_with_consumers_that_block(self) -> None:
        def make() -> Program:
            queue, done = Queue(), Queue()

            def consume() -> Program:
                while True:
                    yield Get(queue)
                    yield Sleep(0.001)
                    yield Block(0.05)
                    yield Put(done)

            for _ in range(3):
                yield Spawn(consume())
            for _ in range(12):
                yield Put(queue)
            for _ in range(12):
                yield Get(done)

        assert predicted(make).run_s == pytest.approx(mended(make), rel=0.03)

    def test_producer_that_blocks(self) -> None:
        def make() -> Program:
            queue = Queue()

            def produce() -> Program:
                for _ in range(4):
                    yield Block(0.05)
                    yield Put(queue)
                    yield Sleep(0)

            for _ in range(3):
                yield Spawn(produce())
            for _ in range(12):
                yield Get(queue)

        assert predicted(make).run_s == pytest.approx(mended(make), rel=0.03)


def service(
    clients: int, requests: int, *, in_server: float, in_client: float, think: float = 0.0
) -> Program:
    """A server and its clients in one loop."""

    def handle(question: Pipe, answer: Pipe) -> Program:
        while True:
            yield Receive(question)
            if in_server:
                yield Block(in_server)
            yield Send(answer)

    def client(question: Pipe, answer: Pipe) -> Program:
        for _ in range(requests):
            yield Send(question)
            yield Receive(answer)
            if in_client:
                yield Block(in_client)
            if think:
                yield Sleep(think)

    tasks = []
    for _ in range(clients):
        pipes = Pipe(), Pipe()
        yield Spawn(handle(*pipes))
        task = yield Spawn(client(*pipes))
        tasks.append(task)
    yield Join(tasks)


class TestPolledEvents:
    @pytest.mark.parametrize(
        "blocks", [(0.03, 0.0), (0.0, 0.03), (0.03, 0.02)], ids=["server", "clients", "both"]
    )
    @pytest.mark.parametrize("think", [0.0, 0.05])
    def test_server_and_clients_in_one_loop(
        self, blocks: tuple[float, float], think: float
    ) -> None:
        def make() -> Program:
            return service(6, 4, in_server=blocks[0], in_client=blocks[1], think=think)

        assert predicted(make).run_s == pytest.approx(mended(make), rel=0.05)

    @pytest.mark.parametrize("latency", [0.01, 0.05, 0.2])
    def test_answers_from_outside_that_came_while_blocked(self, latency: float) -> None:
        def make() -> Program:
            return all_of(*[lambda: doing(Ask(latency), Block(0.03), times=4)] * 5)

        assert predicted(make).run_s == pytest.approx(mended(make), rel=0.2)

    def test_one_answer_whose_time_is_hidden(self) -> None:
        """It came in the blocked time, most likely in its middle."""

        def make() -> Program:
            return all_of(lambda: doing(Ask(0.05)), lambda: doing(Sleep(0), Block(0.2)))

        model, loop = recorded(make)
        reader = next(i for i, step in enumerate(loop.steps) if step.kind == Kind.READER)
        assert model.causes.offset[reader] == pytest.approx(0.1, rel=0.01)

    def test_an_answer_to_a_loop_that_waited_keeps_its_time(self) -> None:
        def make() -> Program:
            return doing(Ask(0.05), Block(0.2), Ask(0.1))

        assert predicted(make).run_s == pytest.approx(0.35, rel=0.01)

    def test_many_events_of_one_turn(self) -> None:
        def cost_of_a_step(clients: int) -> float:
            loop = ToyLoop()
            run_s = loop.run(service(clients, 2, in_server=0.0, in_client=0.0))
            steps = Columns.of(loop.steps)
            began = time.process_time()
            Replay(steps, cores=2, run_s=run_s, code_of=loop.code_of).outcome({})
            return (time.process_time() - began) / len(loop.steps)

        # Were it quadratic, it would be sixteen times as much.
        assert cost_of_a_step(3200) < 6 * min(cost_of_a_step(200) for _ in range(5))

    def test_an_event_that_the_last_of_several_tasks_sets(self) -> None:
        """Customers of a service leave, and the last one ends it: another, when steps move."""

        def make() -> Program:
            customers, closed = 3, Queue()

            def serve(blocks: float) -> Program:
                nonlocal customers
                yield Ask(0.01)
                yield Block(blocks)
                customers -= 1
                if not customers:
                    yield Put(closed)

            def accept() -> Program:
                for blocks in (0.3, 0.1, 0.05):
                    yield Spawn(serve(blocks))

            yield Spawn(accept())
            yield Get(closed)
            yield Sleep(0.1)

        assert predicted(make).run_s == pytest.approx(mended(make), rel=0.05)

    def test_customers_elsewhere_that_ask_again_when_they_are_answered(self) -> None:
        def make() -> Program:
            return all_of(*[lambda: doing(Ask(0.001), Block(0.1), times=5)] * 3)

        assert predicted(make).run_s == pytest.approx(mended(make), rel=0.1)


class TestSeveralLoops:
    def test_two_loops_block_by_themselves(self) -> None:
        steps: list[Step] = []
        for thread in range(2):
            loop = ToyLoop(thread=thread)
            loop.run(all_of(*[lambda: doing(Block(0.2))] * 3))
            steps += [
                step._replace(
                    subject=step.subject + thread * 100,
                    waker=step.waker and step.waker + thread * 100,
                )
                for step in loop.steps
            ]
        blocked = {i: AWAIT for i, step in enumerate(steps) if step.duration > 0.1}
        of_first = {i: move for i, move in blocked.items() if steps[i].thread == 0}
        assert replay(steps, blocked, cores=2, run_s=0.6).run_s == pytest.approx(0.2, rel=0.02)
        one = replay(steps, of_first, cores=2, run_s=0.6)
        assert one.run_s == pytest.approx(0.6, rel=0.02)
        assert one.lag.max == pytest.approx(0.6, rel=0.02)  # of the loop that lags most
        assert one.busy_s == pytest.approx(0.6, rel=0.02)

    def test_a_step_woken_from_another_thread(self) -> None:
        steps = [
            Step(0.0, 0.5, 0.0, 1, 0, Kind.TASK, 0),
            Step(0.0, 0.001, 0.0, 2, 0, Kind.TASK, 1),
            Step(0.5, 0.1, 0.0, 2, 1, Kind.TASK, 1),  # woken at the end of the first
        ]
        assert find_causes(Columns.of(steps)).base == [NONE, NONE, 0]


class TestEndOfTheRun:
    def test_what_asyncio_runs_at_the_end_follows_the_main_task(self) -> None:
        steps = [
            Step(0.0, 0.4, 0.0, 1, 0, Kind.TASK, 0),
            Step(0.4, 0.4, 0.4, 2, 1, Kind.TASK, 0),
            Step(0.8, 0.001, 0.1, 1, 0, Kind.TASK, 0),
            Step(1.0, 0.001, 0.0, 3, 0, Kind.TASK, 0),  # a second run of the loop
        ]
        assert find_causes(Columns.of(steps)).base[3] == 2

    def test_a_run_that_was_cut_ends_with_its_last_step(self) -> None:
        steps = [
            Step(0.0, 0.001, 0.0, 1, 0, Kind.TASK, 0),
            Step(0.001, 0.3, 0.0005, 2, 1, Kind.TASK, 0),
            Step(0.301, 0.3, 0.3005, 3, 1, Kind.TASK, 0),
        ]
        moved = {1: AWAIT, 2: AWAIT}
        for was_cut, run_s in ((True, 0.3), (False, 0.0)):
            model = Replay(Columns.of(steps), cores=2, run_s=0.601, was_cut=was_cut)
            assert model.run_time(moved) == pytest.approx(run_s, abs=0.01)

    def test_time_outside_the_loop_stays(self) -> None:
        steps = [Step(at, 1.0, at, n + 1, 0, Kind.TASK, 0) for n, at in enumerate((0.0, 1.0))]
        moved = dict.fromkeys(range(2), AWAIT)
        assert replay(steps, moved, cores=2, run_s=5.0).run_s == pytest.approx(4.0, rel=0.01)

    def test_calls_in_pools_are_waited_for(self) -> None:
        steps = [
            Step(0.0, 0.01, 0.0, 1, 0, Kind.TASK, 0),
            Step(0.01, 0.5, 0.005, SITE, 1, Kind.CALLBACK, 0),
            Step(0.51, 0.01, 0.5, 1, 1, Kind.TASK, 0),
        ]
        for move, run_s in ((IN_THREAD, 0.51), (AWAIT, 0.02)):
            outcome = replay(steps, {1: move}, cores=2, run_s=0.52)
            assert outcome.run_s == pytest.approx(run_s, abs=0.01)


class TestLag:
    def test_of_a_run_as_it_was(self) -> None:
        def make() -> Program:
            return doing(Block(0.5), Sleep(0.5))

        lag = recorded(make)[0].outcome({}).lag
        assert lag.p50 == pytest.approx(0.0, abs=0.001)
        assert lag.p99 == pytest.approx(0.49, rel=0.01)
        assert lag.max == pytest.approx(0.5, rel=0.01)

    def test_of_a_run_without_its_blocks(self) -> None:
        lag = predicted(lambda: doing(Block(0.5), Sleep(0.5))).lag
        assert lag.max < 0.001

    def test_lag_is_over_the_time_that_the_loop_ran(self) -> None:
        steps = [Step(0.0, 0.1, 0.0, 1, 0, Kind.TASK, 0)]
        half = Replay(Columns.of(steps), cores=1, run_s=10.0, ran_s={0: 0.2}).outcome({})
        assert half.lag.p50 == pytest.approx(0.0, abs=1e-9)
        assert half.lag.p99 == pytest.approx(0.098, rel=0.01)


class TestOddInput:
    def test_no_steps(self) -> None:
        assert replay([], {}, cores=2, run_s=3.0) == Outcome(3.0, 0.0, Lag(0.0, 0.0, 0.0))

    def test_any_order(self) -> None:
        model, loop = recorded(lambda: all_of(*[lambda: doing(Block(0.2))] * 3))
        turned = loop.steps[::-1]
        moved = {i: AWAIT for i, step in enumerate(turned) if step.duration > 0.1}
        again = replay(turned, moved, cores=2, run_s=loop.now)
        assert again == model.outcome(dict.fromkeys(loop.blocked, AWAIT))

    def test_steps_whose_wakers_are_lost(self) -> None:
        _, loop = recorded(lambda: all_of(*[lambda: doing(Sleep(0.01), Block(0.2))] * 4))
        rest = loop.steps[len(loop.steps) // 3 :]
        moved = {i: AWAIT for i, step in enumerate(rest) if step.duration > 0.1}
        outcome = replay(rest, moved, cores=2, run_s=loop.now)
        assert 0.1 < outcome.run_s <= loop.now

    @given(st.data())
    @settings(max_examples=200, deadline=None)
    def test_garbage(self, data: st.DataObject) -> None:
        short = st.floats(0, 2, allow_nan=False)
        step = st.builds(
            Step,
            begin=st.floats(0, 10),
            duration=short,
            delay=short,
            subject=st.sampled_from([0, 1, 2, 3, SITE, SITE_BIT]),
            waker=st.sampled_from([0, 1, 2, 7, SITE, SITE_BIT]),
            kind=st.sampled_from([Kind.TASK, Kind.CALLBACK, Kind.TIMER, Kind.READER, Kind.WRITER]),
            thread=st.integers(0, 1),
        )
        steps = data.draw(st.lists(step, max_size=30))
        places = st.integers(0, max(0, len(steps) - 1))
        moves = st.sampled_from([AWAIT, IN_THREAD, NATIVE, PROCESS])
        moved = data.draw(st.dictionaries(places, moves)) if steps else {}
        model = Replay(
            Columns.of(steps),
            cores=data.draw(st.integers(0, 3)),
            run_s=12.0,
            code_of=data.draw(st.dictionaries(st.integers(1, 3), st.integers(1, 2))),
            was_cut=data.draw(st.booleans()),
        )
        outcome = model.outcome(moved)
        assert all(map(math.isfinite, (outcome.run_s, outcome.busy_s, *outcome.lag)))
        assert 0 <= outcome.busy_s <= sum(step.duration for step in steps) + 1e-9
        assert 0 <= outcome.lag.p50 <= outcome.lag.p99 <= outcome.lag.max + 1e-9
