"""Children of multiprocessing, started in the way that is asked for."""

import multiprocessing
import sys

import loops

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    children = [context.Process(target=loops.run) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    sys.exit(sum(child.exitcode for child in children))
