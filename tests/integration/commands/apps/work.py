"""What handlers and jobs do: wait, or compute, each for 0.2 s of its clock."""

import time


def wait():
    time.sleep(0.2)  # waits
    return "waited"


def compute():
    total = 0
    until = time.thread_time() + 0.2
    while time.thread_time() < until:  # computes
        total += sum(range(20))  # computes
    return "computed"


WORK = {"waits": wait, "computes": compute}
