"""Tasks of other classes, and what is no task: named and told by what asyncio itself keeps."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from fournil.observe.recording.tasks import TaskState
from tests.recorder.odd import HasNoIdentity, OddString, Recorded, asked, names, ran

PythonTask: type[asyncio.Task[Any]] = asyncio.tasks._PyTask  # type: ignore[attr-defined]

pytestmark = pytest.mark.usefixtures("forget")

BASES = [asyncio.Task, PythonTask]


def overrides(base: type[asyncio.Task[Any]]) -> list[type[asyncio.Task[Any]]]:
    """Return tasks whose methods and fields must not be used."""

    def raises(self: object, *args: object) -> Any:
        asked.append("method")
        raise ValueError

    def lies(self: object) -> Any:
        asked.append("lie")
        return 5

    made = []
    for name in ("get_name", "get_coro", "exception", "cancelled"):
        made += [type(name, (base,), {name: raises}), type(name, (base,), {name: lies})]
    # asyncio itself asks for it.
    made.append(type("class", (base,), {"__class__": property(lambda self: int)}))
    return made


@pytest.mark.parametrize("base", BASES)
def test_tasks_of_an_odd_class(base: type[asyncio.Task[Any]], recorded: Recorded) -> None:
    kinds = overrides(base)

    async def work() -> None:
        await asyncio.sleep(0)
        ran.append("work")

    async def fail() -> None:
        await asyncio.sleep(0)
        raise KeyError

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: None)
        tasks = []
        for kind in kinds:
            loop.set_task_factory(
                lambda loop, coroutine, kind=kind, **_: kind(coroutine, loop=loop)
            )
            tasks += [loop.create_task(work()), loop.create_task(fail())]
        loop.set_task_factory(None)
        while len(ran) < len(kinds):
            await asyncio.sleep(0)
        asked_by_us = list(asked)
        assert asked_by_us == []

    recording = recorded.run(main())
    states = [
        task.state
        for task in recording.tasks.values()
        if recording.sites[task.site].function.endswith((".work", ".fail"))
    ]
    assert states.count(TaskState.FINISHED) == states.count(TaskState.RAISED) == len(kinds)
    assert "?" not in {task.name for task in recording.tasks.values()}


@pytest.mark.parametrize("base", BASES)
def test_states_and_names_of_both_kinds_of_task(
    base: type[asyncio.Task[Any]], recorded: Recorded
) -> None:
    async def work(how: str) -> None:
        await asyncio.sleep(0)
        if how == "raises":
            raise KeyError
        if how == "waits":
            await asyncio.Event().wait()

    async def main() -> None:
        tasks = [base(work(how), name=how) for how in ("ends", "raises", "waits")]
        for _ in range(3):
            await asyncio.sleep(0)
        tasks[2].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    recording = recorded.run(main())
    states = {task.name: task.state for task in recording.tasks.values()}
    assert states["ends"] is TaskState.FINISHED
    assert states["raises"] is TaskState.RAISED
    assert states["waits"] is TaskState.CANCELLED
    assert len({task.site for task in recording.tasks.values() if task.name in states}) >= 1
    assert {site.tasks for site in recording.sites.values() if "work" in site.function} == {3}


def test_values_of_a_python_task_that_are_no_more_what_they_were(recorded: Recorded) -> None:
    async def work() -> None:
        await asyncio.sleep(0)

    async def main() -> None:
        odd: Any = PythonTask(work())
        odd._name = HasNoIdentity()
        nameless: Any = PythonTask(work())
        del nameless._name
        named: Any = PythonTask(work())
        named._name = OddString("odd")
        await asyncio.wait([odd, nameless, named])

    recording = recorded.run(main())
    assert asked == []
    found = [task.name for task in recording.tasks.values() if not task.name.startswith("Task-")]
    assert sorted(found) == ["?", "?", "odd"]


def test_a_task_that_was_never_initialized(recorded: Recorded) -> None:
    class Unmade(asyncio.Task[Any]):
        def __init__(self, *args: object, **options: object) -> None: ...

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(lambda loop, coroutine, **_: Unmade())
        coroutine = asyncio.sleep(0)
        with contextlib.suppress(RuntimeError):  # asyncio sets the name on older Pythons
            assert isinstance(loop.create_task(coroutine), Unmade)
        coroutine.close()
        loop.set_task_factory(None)
        await asyncio.sleep(0)

    recorded.run(main())


def test_what_a_factory_makes_that_is_no_task(recorded: Recorded) -> None:
    class Wrapped:
        def __init__(self, task: asyncio.Task[Any]) -> None:
            self.task = task

        def set_name(self, name: str) -> None: ...

        def __getattr__(self, name: str) -> object:
            if name == "_source_traceback":  # asyncio asks for it
                raise AttributeError(name)
            asked.append(name)
            raise ValueError(name)

    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        loop.set_task_factory(lambda loop, coro, **_: Wrapped(asyncio.Task(coro, loop=loop)))
        wrapped = loop.create_task(asyncio.sleep(0, "slept"))
        assert await wrapped.task == "slept"
        loop.set_task_factory(None)

    assert "sleep" in names(recorded.run(main()))
    assert asked == []
