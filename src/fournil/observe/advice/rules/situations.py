"""Places that are special, whatever is called there."""

from fournil.observe.advice.rules.rule import GC, NATIVE_GIL, STARVED, WAITING, Rule, Trial

COLLECTOR = (
    "`gc.freeze()` after start-up leaves what lives on out of it, and a higher "
    "`gc.set_threshold(...)` has it run less often."
)

RULES = (
    Rule(
        name="starved",
        to="code",
        blockers=(STARVED,),
        why="It wanted a CPU for most of the time and had none: the machine was busy, or its "
        "quota was used up. With a CPU it would not have blocked the loop.",
    ),
    Rule(
        name="collection",
        to="code",
        calls=r"gc\.collect",
        why="A collection of garbage stops all threads of the process:",
        instead="call it less often; `gc.freeze()` after start-up leaves what lives on out of it.",
        tried=(
            Trial(
                """\
                import asyncio, gc

                class Node:
                    def __init__(self):
                        self.me = self

                junk = [Node() for _ in range(400_000)]

                async def main():
                    gc.collect()  # blocks
                """,
                """\
                import asyncio, gc

                class Node:
                    def __init__(self):
                        self.me = self

                junk = [Node() for _ in range(400_000)]
                gc.freeze()

                async def main():
                    gc.collect()
                    gc.unfreeze()
                """,
            ),
        ),
    ),
    Rule(
        name="collector",
        to="code",
        blockers=(GC,),
        why="The collector of garbage ran, which new objects set off, wherever they are made:",
        instead=COLLECTOR,
        tried=(
            Trial(
                """\
                import asyncio

                class Node:
                    def __init__(self):
                        self.me = self

                junk = [Node() for _ in range(700_000)]

                async def main():
                    keep = []
                    for _ in range(200):
                        keep.append([[] for _ in range(3000)])  # blocks
                        await asyncio.sleep(0)
                    return len(keep)
                """,
                """\
                import asyncio, gc

                class Node:
                    def __init__(self):
                        self.me = self

                junk = [Node() for _ in range(700_000)]

                async def main():
                    gc.freeze()
                    gc.set_threshold(100_000, 50, 1_000)
                    keep = []
                    for _ in range(200):
                        keep.append([[] for _ in range(3000)])
                        await asyncio.sleep(0)
                    gc.set_threshold(700, 10, 10)
                    gc.unfreeze()
                    return len(keep)
                """,
            ),
        ),
    ),
    Rule(
        name="gil",
        to="process",
        blockers=(WAITING,),
        gil=True,
        why="It waited for the GIL, which {holder} held:",
        instead="move that work to a process, as `fournil.to_process` does.",
    ),
    Rule(
        name="containers",
        to="code",
        blockers=(NATIVE_GIL,),
        situation="containers",
        why="This line makes so many objects that this takes long:",
        instead="make them where they are used, or fewer at a time, with an `await` in between.",
    ),
    Rule(
        name="import",
        to="code",
        situation="import",
        why="An import ran inside the loop:",
        how="put {code} at the top of the module, to be done before the loop runs.",
        instead="put it at the top of the module, to be done before the loop runs.",
        tried=(
            Trial(
                """\
                import asyncio

                async def main():
                    import slow_module  # blocks
                    return slow_module.answer
                """
            ),
        ),
    ),
    Rule(
        name="imported",
        to="code",
        situation="imported",
        why="The module that this import stands in was imported while the loop ran:",
        instead="have what is run import that module before it begins a loop.",
    ),
    Rule(
        name="destructor",
        to="code",
        situation="destructor",
        why="A destructor runs wherever the last reference goes, and cannot await:",
        instead="give the object a method that does this, and call that where it is no longer "
        "needed, by `await asyncio.to_thread(...)`.",
        tried=(
            Trial(
                """\
                import asyncio, time

                class Session:
                    def __del__(self):
                        time.sleep(0.15)  # blocks

                async def handle():
                    session = Session()
                    await asyncio.sleep(0.001)
                    del session

                async def main():
                    await asyncio.gather(handle(), handle())
                """,
                """\
                import asyncio, time

                class Session:
                    def close(self):
                        time.sleep(0.15)

                async def handle():
                    session = Session()
                    await asyncio.sleep(0.001)
                    await asyncio.to_thread(session.close)

                async def main():
                    await asyncio.gather(handle(), handle())
                """,
            ),
        ),
    ),
    Rule(
        name="signal handler",
        to="code",
        situation="signal handler",
        why="A handler of `signal.signal` runs in the middle of whatever runs, and cannot await:",
        instead="one of `loop.add_signal_handler(...)` is called between two steps, and can start "
        "a task.",
        tried=(
            Trial(
                """\
                import asyncio, os, signal, time

                def reload(number, frame):
                    time.sleep(0.15)  # blocks

                async def main():
                    before = signal.signal(signal.SIGUSR2, reload)
                    os.kill(os.getpid(), signal.SIGUSR2)
                    await asyncio.sleep(0.2)
                    signal.signal(signal.SIGUSR2, before)
                """,
                """\
                import asyncio, os, signal, time

                async def reload():
                    await asyncio.sleep(0.15)

                async def main():
                    loop = asyncio.get_running_loop()
                    tasks = []
                    start = lambda: tasks.append(loop.create_task(reload()))
                    loop.add_signal_handler(signal.SIGUSR2, start)
                    os.kill(os.getpid(), signal.SIGUSR2)
                    await asyncio.sleep(0.2)
                    loop.remove_signal_handler(signal.SIGUSR2)
                """,
            ),
        ),
    ),
    Rule(
        name="no line",
        to="code",
        situation="no line",
        why="At which line of `{function}` was not seen.",
    ),
)

LIBRARY = Rule(
    name="library",
    to="code",
    situation="awaited",
    why="It was in code of a library, in a coroutine that is awaited here: {inside}.",
)
