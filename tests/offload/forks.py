"""Where this is imported no process can be forked, unless there is a file that says so."""

import os
from errno import EAGAIN

_fork = os.fork


def fork() -> int:
    if not os.path.exists(os.environ["THERE_IS_ROOM"]):
        raise OSError(EAGAIN, os.strerror(EAGAIN))
    return _fork()


os.fork = fork
