"""Tasks on the loop: names, contexts, factories, eager ones, who runs now."""

from __future__ import annotations

import asyncio
import contextvars
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.contract.loops import Loop, LoopFactory, run_turn

variable = contextvars.ContextVar("variable", default="unset")


async def nothing() -> None:
    pass


def test_create_task(loop: Loop) -> None:
    async def main() -> str:
        return await loop.create_task(asyncio.sleep(0, "result"))

    assert loop.run_until_complete(main()) == "result"


def test_a_task_begins_in_the_next_turn(loop: Loop) -> None:
    ran: list[str] = []

    async def main() -> None:
        task = loop.create_task(child())
        ran.append("made")
        await asyncio.sleep(0)
        ran.append("main again")
        await task

    async def child() -> None:
        ran.append("child")

    loop.run_until_complete(main())
    assert ran == ["made", "child", "main again"]


def test_tasks_are_asyncios_own(loop: Loop) -> None:
    coroutine = nothing()
    task = loop.create_task(coroutine)
    assert type(task) is asyncio.Task
    assert task.get_coro() is coroutine
    assert task.get_loop() is loop
    assert type(loop.create_future()) is asyncio.Future
    assert loop.create_future().get_loop() is loop
    loop.run_until_complete(task)


def test_names(loop: Loop) -> None:
    named = loop.create_task(nothing(), name="named")
    assert named.get_name() == "named"
    assert loop.create_task(nothing(), name=None).get_name().startswith("Task-")
    assert loop.create_task(nothing()).get_name().startswith("Task-")
    assert loop.create_task(nothing(), name=12).get_name() == "12"
    run_turn(loop)


def test_context(loop: Loop) -> None:
    async def read_and_change() -> str:
        before = variable.get()
        variable.set("changed by the task")
        return before

    async def main() -> None:
        variable.set("of main")
        context = contextvars.copy_context()
        context.run(variable.set, "explicit")
        assert await loop.create_task(read_and_change()) == "of main"
        assert variable.get() == "of main"
        assert await loop.create_task(read_and_change(), context=context) == "explicit"
        assert context[variable] == "changed by the task"
        assert variable.get() == "of main"

    loop.run_until_complete(main())


def test_a_task_keeps_its_context_over_awaits(loop: Loop) -> None:
    async def worker(name: str) -> None:
        variable.set(name)
        for _ in range(10):
            await asyncio.sleep(0)
            assert variable.get() == name

    async def main() -> None:
        await asyncio.gather(*(worker(f"worker {n}") for n in range(10)))

    loop.run_until_complete(main())


def test_current_task_and_all_tasks(loop: Loop) -> None:
    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        assert asyncio.all_tasks() == {task}
        child = loop.create_task(asyncio.Event().wait())
        assert asyncio.all_tasks() == {task, child}
        await asyncio.sleep(0)
        assert asyncio.current_task() is task
        child.cancel()
        with pytest.raises(asyncio.CancelledError):
            await child
        assert asyncio.all_tasks() == {task}

    loop.run_until_complete(main())
    assert asyncio.all_tasks(loop) == set()
    assert asyncio.current_task(loop) is None


def test_no_task_runs_in_a_plain_callback(loop: Loop) -> None:
    seen: list[object] = []
    loop.call_soon(lambda: seen.append(asyncio.current_task()))
    run_turn(loop)
    assert seen == [None]


@pytest.mark.parametrize("nonsense", [42, None, nothing, "text", asyncio.Future])
def test_what_is_no_coroutine(loop: Loop, nonsense: Any) -> None:
    with pytest.raises(TypeError, match="a coroutine was expected"):
        loop.create_task(nonsense)


def test_how_the_coroutine_is_given(loop: Loop) -> None:
    create: Any = loop.create_task
    assert loop.run_until_complete(create(coro=asyncio.sleep(0, "by name"))) == "by name"
    with pytest.raises(TypeError, match="coro"):
        create(name="without one")
    coroutine = nothing()
    with pytest.raises(TypeError):
        create(coroutine, coroutine)
    with pytest.raises(TypeError):
        create(coroutine, coro=coroutine)
    coroutine.close()


def test_a_keyword_that_there_is_not(loop: Loop) -> None:
    coroutine = nothing()
    with pytest.raises(TypeError):
        loop.create_task(coroutine, nonsense=1)  # type: ignore[call-arg]
    coroutine.close()


class Factory:
    """A task factory that counts, and whose tasks are of a class of their own."""

    class Task(asyncio.Task[Any]):
        pass

    def __init__(self) -> None:
        self.options: list[dict[str, Any]] = []

    def __call__(
        self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any
    ) -> asyncio.Task[Any]:
        self.options.append(options)
        return self.Task(coroutine, loop=loop, **options)


def test_task_factory(loop: Loop) -> None:
    factory = Factory()
    loop.set_task_factory(factory)  # type: ignore[arg-type, unused-ignore]
    kept: object = loop.get_task_factory()
    assert kept is factory
    context = contextvars.copy_context()
    one = loop.create_task(nothing(), name="named")
    other = loop.create_task(nothing(), context=context)
    assert (type(one), type(other)) == (Factory.Task, Factory.Task)
    assert one.get_name() == "named"
    assert factory.options[1]["context"] is context
    loop.run_until_complete(one)
    loop.run_until_complete(other)
    loop.set_task_factory(None)
    assert loop.get_task_factory() is None
    task = loop.create_task(nothing())
    assert type(task) is asyncio.Task
    loop.run_until_complete(task)


def test_a_factory_that_cannot_be_called(loop: Loop) -> None:
    with pytest.raises(TypeError, match="task factory must be a callable or None"):
        loop.set_task_factory(42)  # type: ignore[arg-type]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="new in 3.12")
@pytest.mark.parametrize("debug", [False, True])
def test_eager_tasks(loop: Loop, debug: bool) -> None:
    ran: list[str] = []

    async def child(*, wait: bool) -> str:
        ran.append("began")
        assert asyncio.current_task() is not asyncio_main[0]
        if wait:
            await asyncio.sleep(0)
        ran.append("ended")
        return "result"

    async def main() -> None:
        asyncio_main.append(asyncio.current_task())
        done = loop.create_task(child(wait=False), name="eager")
        assert ran == ["began", "ended"]
        assert done.done()
        assert done.get_name() == "eager"
        waiting = loop.create_task(child(wait=True))
        assert ran == ["began", "ended", "began"]
        assert not waiting.done()
        assert asyncio.current_task() is asyncio_main[0]
        assert await waiting == "result"

    asyncio_main: list[object] = []
    loop.set_debug(debug)
    loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined, unused-ignore]
    loop.run_until_complete(main())


def test_python_tasks(loop: Loop) -> None:
    # asyncio's tasks without its C accelerator, as some libraries use them.
    task_class: Any = asyncio.tasks._PyTask  # type: ignore[attr-defined]

    async def main() -> str:
        return await asyncio.sleep(0, "result")

    assert loop.run_until_complete(task_class(main(), loop=loop)) == "result"


@pytest.mark.parametrize(
    "make",
    [
        lambda loop: loop.create_task(asyncio.sleep(3600)),
        lambda loop: asyncio.ensure_future(asyncio.sleep(3600), loop=loop),
    ],
)
def test_cancel(loop: Loop, make: Callable[[Loop], asyncio.Task[None]]) -> None:
    task = make(loop)
    run_turn(loop)
    task.cancel("message")
    with pytest.raises(asyncio.CancelledError, match="message"):
        loop.run_until_complete(task)
    assert task.cancelled()


def test_cancel_before_the_first_step(loop: Loop) -> None:
    ran: list[int] = []

    async def main() -> None:
        ran.append(1)

    task = loop.create_task(main())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(task)
    assert ran == []


def test_timeouts(loop: Loop) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await asyncio.Event().wait()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await asyncio.Event().wait()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.001)
        async with asyncio.timeout(3600):
            await asyncio.sleep(0)
        done, pending = await asyncio.wait(
            [task := loop.create_task(asyncio.Event().wait())], timeout=0.001
        )
        assert (done, pending) == (set(), {task})
        task.cancel()

    loop.run_until_complete(main())


def test_task_groups(loop_factory: LoopFactory) -> None:
    async def fail() -> None:
        await asyncio.sleep(0.001)
        raise ValueError("from a member")

    async def main() -> None:
        cancelled: list[bool] = []

        async def wait() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.append(True)

        async def run_both() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(wait())
                group.create_task(fail())

        with pytest.raises(ExceptionGroup) as caught:
            await run_both()
        assert [str(error) for error in caught.value.exceptions] == ["from a member"]
        assert cancelled == [True]

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())


def test_a_hundred_thousand_tasks(loop: Loop) -> None:
    async def child(number: int) -> int:
        await asyncio.sleep(0)
        return number

    async def main() -> int:
        tasks = [loop.create_task(child(n)) for n in range(100_000)]
        return sum([await task for task in tasks])

    assert loop.run_until_complete(main()) == sum(range(100_000))


def test_types_that_a_program_replaced(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    class Task(asyncio.Task[str]):
        pass

    class Future(asyncio.Future[str]):
        pass

    async def work() -> str:
        return "done"

    monkeypatch.setattr(asyncio.tasks, "Task", Task)
    monkeypatch.setattr(asyncio.futures, "Future", Future)
    task = loop.create_task(work())
    assert type(task) is Task
    assert type(loop.create_future()) is Future
    assert loop.run_until_complete(task) == "done"
