"""Which call goes to which worker, by every order of events that hypothesis thinks of."""

from __future__ import annotations

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fournil.offload.isolated.dispatch import LONG_NS, MOST, Dispatch, Revoke, Settled, Slot

WINDOW = 16


class Worker:
    """What a worker does, as the control block tells it: reads in order, skips what was revoked."""

    def __init__(self, slot: Slot[int]) -> None:
        self.slot = slot
        self.mailbox: list[tuple[int, int]] = []  # number, call
        self.revoked: set[int] = set()
        self.began = 0
        self.runs: int | None = None  # the call
        self.answers: list[tuple[str, int]] = []  # not read by the parent
        self.settling: list[int] = []

    def begin(self) -> int | None:
        """Begin the next call, and return it; skip it if it was revoked."""
        number, call = self.mailbox.pop(0)
        self.began = number
        if number in self.revoked:
            self.answers.append(("skipped", number))
            return None
        self.runs = call
        return call


class Pool(RuleBasedStateMachine):
    """Nothing is lost, nothing runs twice, nothing that was dropped runs."""

    def __init__(self) -> None:
        super().__init__()
        self.dispatch: Dispatch[int] = Dispatch(WINDOW, most_calls=40)
        self.workers: dict[int, Worker] = {}
        self.started = 0
        self.calls = 0
        self.ran: list[int] = []
        self.done: set[int] = set()
        self.dropped: set[int] = set()
        self.died: set[int] = set()
        self.cancelled: set[int] = set()

    def some(self, data: st.DataObject) -> Worker:
        return self.workers[data.draw(st.sampled_from(sorted(self.workers)))]

    @rule()
    @precondition(lambda self: len(self.workers) < 3)
    def start(self) -> None:
        self.started += 1
        self.workers[self.started] = Worker(self.dispatch.add_worker(self.started))

    @rule(count=st.integers(1, 30))
    def submit(self, count: int) -> None:
        for _ in range(count):
            self.dispatch.queue.append(self.calls)
            self.calls += 1

    @rule()
    def pump(self) -> None:
        while self.dispatch.queue and (slot := self.dispatch.next_slot()) is not None:
            worker = self.workers[slot.number]
            call = self.dispatch.queue.popleft()
            number = self.dispatch.send(slot, call)
            assert number - worker.began < WINDOW, "a slot means two calls"
            worker.revoked.discard(number)
            worker.mailbox.append((number, call))

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        worker = self.some(data)
        if worker.runs is None and worker.mailbox:
            self.begin_at(worker)

    def begin_at(self, worker: Worker) -> None:
        call = worker.begin()
        if call is not None:
            self.ran.append(call)

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        worker = self.some(data)
        if worker.runs is not None:
            worker.runs = None
            worker.answers.append(("value", worker.began))

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), ran_ns=st.sampled_from([1, 100_000, LONG_NS]))
    def read(self, data: st.DataObject, ran_ns: int) -> None:
        worker = self.some(data)
        if worker.answers:
            self.answer(worker, *worker.answers.pop(0), ran_ns)

    def answer(self, worker: Worker, kind: str, number: int, ran_ns: int) -> None:
        if kind == "value":
            call = self.dispatch.ended(worker.slot, number, ran_ns)
            assert call is not None, "the answer of a call that nobody knows"
            self.done.add(call)
        else:
            call = self.dispatch.skipped(worker.slot, number)
            if call is not None:
                self.dropped.add(call)

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def look(self, data: st.DataObject) -> None:
        worker = self.some(data)
        numbers, worker.settling = worker.settling, []
        settled = self.dispatch.settle(worker.slot, numbers, worker.began)
        self.dropped.update(settled.dropped)
        assert all(number > worker.began for number in settled.taken_back)
        assert settled.interrupted in (None, worker.began)
        # What the parent reads may be old: the worker goes on meanwhile.
        read = data.draw(st.integers(worker.slot.began, worker.began))
        begins = any(number <= read for number in worker.slot.sent)
        stalls = bool(worker.slot.sent) and not begins and data.draw(st.booleans())
        held_up = self.dispatch.held_up(worker.slot, read, stalls)
        if held_up is not None:
            worker.revoked.update(held_up.numbers)
            worker.settling += held_up.numbers

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        worker = self.some(data)
        waiting = [n for n in worker.slot.sent if n > worker.slot.began]
        if waiting:
            number = data.draw(st.sampled_from(waiting))
            call = worker.slot.sent[number]
            if call not in self.cancelled:
                self.cancelled.add(call)
                self.dispatch.revoke(worker.slot, number)
                worker.revoked.add(number)
                worker.settling.append(number)

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        worker = self.some(data)
        del self.workers[worker.slot.number]
        for kind, number in worker.answers:
            self.answer(worker, kind, number, 1)
        runs = worker.runs
        death = self.dispatch.died(worker.slot, worker.began)
        self.dropped.update(death.unwanted)
        assert death.lost == runs
        if death.lost is not None:
            self.died.add(death.lost)

    @invariant()
    def nothing_twice(self) -> None:
        assert len(self.ran) == len(set(self.ran)), "a call ran twice"
        assert not self.dropped & set(self.ran), "a call ran that was dropped"
        assert self.dropped <= self.cancelled, "a call was dropped that nobody cancelled"

    @invariant()
    def nothing_lost(self) -> None:
        places = [*self.dispatch.queue]
        for worker in self.workers.values():
            places += worker.slot.sent.values()
        assert len(places) == len(set(places)), "a call stands in two places"
        everywhere = set(places) | self.done | self.dropped | self.died
        assert everywhere == set(range(self.calls)), "a call is nowhere"

    def teardown(self) -> None:
        """Let all workers go on: every call ends."""
        if not self.workers:
            self.start()
        for _ in range(2 * self.calls + 2 * WINDOW + 10):
            self.pump()
            for worker in list(self.workers.values()):
                if worker.runs is not None:
                    worker.runs = None
                    worker.answers.append(("value", worker.began))
                elif worker.mailbox:
                    self.begin_at(worker)
                while worker.answers:
                    self.answer(worker, *worker.answers.pop(0), 1)
                if not worker.slot.open and worker.slot.is_idle:
                    del self.workers[worker.slot.number]
                    self.dispatch.died(worker.slot, worker.began)
                    self.start()
        assert self.done | self.dropped | self.died == set(range(self.calls))
        self.nothing_twice()


TestPool = Pool.TestCase
TestPool.settings = settings(max_examples=200, stateful_step_count=60, deadline=None)


def test_what_begins_no_call_gets_no_other_until_it_goes_on() -> None:
    dispatch: Dispatch[str] = Dispatch(WINDOW)
    stopped, other = dispatch.add_worker(1), dispatch.add_worker(2)
    number = dispatch.send(stopped, "call")
    assert dispatch.held_up(stopped, 0, stalls=True) == Revoke([number])
    assert dispatch.settle(stopped, [number], 0) == Settled([number], [], None)
    assert list(dispatch.queue) == ["call"]
    assert dispatch.next_slot() is dispatch.idle_slot() is other
    dispatch.send(other, dispatch.queue.popleft())
    assert dispatch.idle_slot() is None
    dispatch.skipped(stopped, number)
    assert dispatch.next_slot() is dispatch.idle_slot() is stopped


def test_what_begins_no_call_keeps_it_while_others_are_busy() -> None:
    dispatch: Dispatch[str] = Dispatch(WINDOW)
    stopped, other = dispatch.add_worker(1), dispatch.add_worker(2)
    dispatch.send(stopped, "call")
    dispatch.send(other, "another")
    assert dispatch.held_up(stopped, 0, stalls=True) is None
    assert not stopped.stalled


def test_how_many_are_sent_ahead() -> None:
    dispatch: Dispatch[int] = Dispatch(1024)
    slot = dispatch.add_worker(1)
    assert dispatch.room(slot) == 2
    number = dispatch.send(slot, 0)
    dispatch.ended(slot, number, LONG_NS)
    assert dispatch.room(slot) == 1
    for call in range(100):
        number = dispatch.send(slot, call)
        dispatch.ended(slot, number, 0)
    assert dispatch.room(slot) == MOST
