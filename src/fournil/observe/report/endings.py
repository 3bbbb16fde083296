"""Tasks that did not end by themselves, from a recording: pure.

`asyncio.run` cancels what is left once its main task has ended, so a task that its program
forgot ends as cancelled, after the main task. The main task of a loop is not marked as such;
it is made outside any step, as are few others: those that shut the loop down, which are
Python's own code, and tasks made before the loop runs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from fournil.evidence.ownership import Ownership
from fournil.observe.recording.model import Recording, Site
from fournil.observe.recording.tasks import Task, TaskState


class Ending(StrEnum):
    """Why a task is among those that did not end by themselves."""

    PENDING = "pending"  # when the recording ended, or was read
    CANCELLED = "cancelled at the end"  # after the loop's main task had ended
    DESTROYED = "destroyed while pending"


@dataclass(frozen=True, slots=True)
class Unfinished:
    """The tasks of one coroutine function that did not end by themselves, in the same way."""

    site: Site | None
    ending: Ending
    tasks: Sequence[Task]  # in the order in which they were made
    started_by: str | None  # who made the first of them, in words


def unfinished(recording: Recording) -> list[Unfinished]:
    """Return the tasks that did not end by themselves, the most first."""
    by_thread = defaultdict(list)
    for task in recording.tasks.values():
        by_thread[task.thread].append(task)
    groups: defaultdict[tuple[int, Ending], list[Task]] = defaultdict(list)
    for tasks in by_thread.values():
        end = _end_of_main(tasks, recording)
        for task in tasks:
            if ending := _ending(task, end):
                groups[task.site, ending].append(task)
    found = []
    for (site, ending), tasks in groups.items():
        tasks.sort(key=lambda task: task.born_s)
        starter = recording.describe(tasks[0].parent)
        found.append(Unfinished(recording.sites.get(site), ending, tasks, starter))
    return sorted(found, key=lambda group: (list(Ending).index(group.ending), -len(group.tasks)))


def _ending(task: Task, end_of_main: float | None) -> Ending | None:
    if task.state == TaskState.PENDING:
        return Ending.PENDING
    if task.state == TaskState.DESTROYED:
        return Ending.DESTROYED
    was_left = (
        task.state == TaskState.CANCELLED
        and end_of_main is not None
        and task.ended_s is not None
        and task.born_s < end_of_main < task.ended_s
    )
    return Ending.CANCELLED if was_left else None


def _end_of_main(tasks: Iterable[Task], recording: Recording) -> float | None:
    """Return when the main task of a loop ended; of several, run in turn, the last."""
    ownership = Ownership(recording.meta)

    def is_main(task: Task) -> bool:
        site = recording.sites.get(task.site)
        return task.parent == 0 and not (site and ownership.is_stdlib(site.file))

    mains = [task for task in tasks if is_main(task)]
    ends = [
        task.ended_s
        for task in mains
        if task.ended_s is not None and task.state in (TaskState.FINISHED, TaskState.RAISED)
    ]
    if ends:
        return max(ends)
    # Ctrl-C cancels the main task first.
    return min(mains, key=lambda task: task.born_s).ended_s if mains else None
