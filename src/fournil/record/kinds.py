"""What the numbers in a recording mean."""

from __future__ import annotations

from enum import IntEnum

SITE_BIT = 1 << 31
"""A subject with this bit is a site's index; without it, a task's id; 0 is nobody."""

NAME_BIT = 1 << 31
"""A task's name with this bit is a number, and the name that asyncio made of it."""


class Kind(IntEnum):
    """What an event is; for a step, what made it run."""

    TASK = 1  # a task's advance from one await to the next
    CALLBACK = 2  # call_soon, call_soon_threadsafe
    TIMER = 3  # call_later, call_at
    READER = 4  # add_reader, or a transport that reads or accepts
    WRITER = 5  # add_writer, or a transport that writes
    SCRIPT = 6  # the main thread while no loop runs in it
    CALL = 7  # a function that a thread runs for others: a call of a pool of threads
    WAIT = 16  # the loop waited for the kernel; `extra`: how many descriptors became ready
    BORN = 17  # a task was made; `waker`: who made it; `extra`: its site; `delay`: its slot
    ENDED = 18  # a task ended; `flags`: kinds.TASK_*; `extra`: its site


STEP_KINDS = frozenset({Kind.TASK, Kind.CALLBACK, Kind.TIMER, Kind.READER, Kind.WRITER})

FLAG_FIRST = 1  # the first step of a task

END_EXITED = 1  # the process ended by itself
END_KILLED = 2  # by a signal
END_REPLACED = 4  # and before that another program took the place of the one recorded (exec)

TASK_PENDING = 0
TASK_FINISHED = 1
TASK_RAISED = 2
TASK_CANCELLED = 3
TASK_DESTROYED = 4  # collected while pending

THREAD_FREE = 0
THREAD_LOOP = 1
THREAD_SCRIPT = 2
THREAD_CLOSED = 3
THREAD_CALLS = 4  # it runs calls

SITE_COROUTINE = 1  # tasks run it
SITE_CALLBACK = 2  # the loop, or a pool's worker, calls it

POOL_FREE = 0
POOL_OPEN = 1
POOL_CLOSED = 2

CALL_DONE = 1
CALL_RAISED = 2
CALL_CANCELLED = 3
CALL_ABANDONED = 4  # nobody waited for its end
CALL_DIED = 5  # its worker died of it


class SampleKind(IntEnum):
    """What an entry of the samples' ring is."""

    LOOK = 1  # the watch looked at a blocked step
    ASK = 2  # a request for the GIL was answered
    BLOCKED = 3  # a blocked step ended; `since` is its begin, `at` its end
    HOLDER = 4  # the watch looked at the thread that had the GIL, for which a loop waited
    NAME = 5  # `stack` is the name of the thread whose native number `subject` is
    GIL_WAIT = 6  # between two steps, a loop waited for the GIL for as long as for a blocked step
    LATE = 7  # the watch wanted to look and got no CPU, or was stopped
    SERVED = 8  # for which handler of a framework's, and which route, a blocked step works


SAW_ON_CPU = 1  # the thread was running or wanted to
SAW_GIL_HELD = 2  # and it held the GIL
SAW_GIL_WAIT = 4  # the thread waited for the GIL, which another thread held
SAW_KERNEL = 8  # on the CPU: it was there in the kernel for most of the time
SAW_WANTED_CPU = 16  # on the CPU: it wanted one just then, and had none
SAW_OVER = 32  # on an ASK: the thread was not seen without the GIL until the step had ended
SAW_KEPT = 64  # on a HOLDER: it has used CPU time for longer than Python code keeps the GIL

WATCH_NO_THREADS = 1 << 16
"""In the watch's error: it got no threads; without this bit, it cannot read `/proc`."""

CONTROL_THRESHOLD = 1  # a step is blocked from so many nanoseconds on
