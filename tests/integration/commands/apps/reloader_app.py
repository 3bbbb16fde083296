"""A program that starts itself again, ten times, as reloaders of web frameworks do."""

import os
import subprocess
import sys

AGAIN = 3


def main():
    if "RUN_MAIN" in os.environ:
        import loops

        loops.run()
        return AGAIN
    for number in range(10):
        command = [sys.executable, *sys.orig_argv[1:]]
        status = subprocess.call(command, env=os.environ | {"RUN_MAIN": str(number)})
        if status != AGAIN:
            return status
    return 0


sys.exit(main())
