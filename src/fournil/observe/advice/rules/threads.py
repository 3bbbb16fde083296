"""What waits for a moment, a program, a thread, a lock: off the CPU, as in `waiting`."""

from fournil.observe.advice.rules.rule import WAITING, Rule, Trial

WAITS = (WAITING,)

RULES = (
    Rule(
        name="logging handler",
        to="code",
        blockers=WAITS,
        around=r"logging\b.*:.*",
        why="A handler of `logging` waits, and whoever logs waits for it:",
        instead="log through `logging.handlers.QueueHandler`: its `QueueListener` writes in a "
        "thread of its own.",
        tried=(
            Trial(
                """\
                import asyncio, logging, time

                class Slow(logging.Handler):
                    def emit(self, record):
                        time.sleep(0.15)  # blocks

                async def main():
                    log = logging.getLogger("slow")
                    log.propagate = False
                    handler = Slow()
                    log.addHandler(handler)
                    await asyncio.sleep(0.001)
                    log.warning("hello")
                    log.removeHandler(handler)
                """,
                """\
                import asyncio, logging, logging.handlers, queue, time

                class Slow(logging.Handler):
                    def emit(self, record):
                        time.sleep(0.15)

                async def main():
                    log = logging.getLogger("slow")
                    log.propagate = False
                    records = queue.SimpleQueue()
                    handler = logging.handlers.QueueHandler(records)
                    listener = logging.handlers.QueueListener(records, Slow())
                    listener.start()
                    log.addHandler(handler)
                    await asyncio.sleep(0.001)
                    log.warning("hello")
                    log.removeHandler(handler)
                    await asyncio.to_thread(listener.stop)
                """,
            ),
        ),
    ),
    Rule(
        name="logging",
        to="code",
        blockers=WAITS,
        inside=r"logging\b.*:.*",
        why="A handler of `logging` waits:",
        instead="log through `logging.handlers.QueueHandler`: its `QueueListener` writes in a "
        "thread of its own.",
    ),
    Rule(
        name="sleep",
        to="await",
        blockers=WAITS,
        calls=r"time\.sleep|sleep",
        why="`time.sleep` stops the whole loop:",
        how="with {code} others run meanwhile.",
        instead="a coroutine writes `await asyncio.sleep(...)`.",
        template="await asyncio.sleep({args})",
        tried=(
            Trial(
                """\
                import asyncio, time

                async def handle():
                    await asyncio.sleep(0.001)
                    time.sleep(0.15)  # blocks
                    return 1

                async def main():
                    return await asyncio.gather(handle(), handle())
                """
            ),
            Trial(
                """\
                import asyncio
                from time import sleep as pause

                async def handle(seconds): pause(seconds)  # blocks

                async def main():
                    await asyncio.gather(handle(0.15), handle(0.1))
                """
            ),
        ),
    ),
    Rule(
        name="subprocess",
        to="thread",
        blockers=WAITS,
        calls=r"subprocess\..*|os\.(system|wait|wait3|wait4|waitpid|waitid|popen)|"
        r".*\.(communicate|check_call)",
        inside=r"subprocess:.*",
        why="A program is waited for:",
        how="{code}, or `asyncio.create_subprocess_exec(...)`, which needs no thread.",
        instead="start it with `await asyncio.create_subprocess_exec(...)`, then "
        "`await process.communicate()`.",
        tried=(
            Trial(
                """\
                import asyncio, subprocess

                async def handle():
                    done = subprocess.run(["sleep", "0.15"], check=True)  # blocks
                    return done.returncode

                async def main():
                    return await asyncio.gather(handle(), handle())
                """
            ),
            Trial(
                """\
                import asyncio, os

                async def handle():
                    return os.system("sleep 0.15")  # blocks

                async def main():
                    return await asyncio.gather(handle(), handle())
                """
            ),
            Trial(
                """\
                import asyncio, subprocess

                async def handle(process):
                    out, _ = process.communicate()  # blocks
                    return out

                async def main():
                    run = lambda: subprocess.Popen(["sleep", "0.15"], stdout=subprocess.PIPE)
                    return await asyncio.gather(handle(run()), handle(run()))
                """
            ),
        ),
    ),
    Rule(
        name="future",
        to="await",
        turns=True,
        blockers=WAITS,
        calls=r".*\.result",
        why="A future of `concurrent.futures` blocks where it is asked for its result:",
        how="{code}.",
        instead="`await asyncio.wrap_future(future)`, or `await loop.run_in_executor(executor, "
        "...)`.",
        template="await asyncio.wrap_future({object})",
        tried=(
            Trial(
                """\
                import asyncio, time
                from concurrent.futures import ThreadPoolExecutor

                executor = ThreadPoolExecutor(2)

                async def handle():
                    future = executor.submit(time.sleep, 0.15)
                    return future.result()  # blocks

                async def main():
                    return await asyncio.gather(handle(), handle())
                """
            ),
        ),
    ),
    Rule(
        name="futures",
        to="thread",
        turns=True,
        blockers=WAITS,
        inside=r"concurrent\.futures\b.*:.*",
        why="A pool of `concurrent.futures` is waited for:",
        how="{code}.",
        instead="`await loop.run_in_executor(executor, ...)` waits for one call.",
        tried=(
            Trial(
                """\
                import asyncio, time
                from concurrent.futures import ThreadPoolExecutor

                executor = ThreadPoolExecutor(4)

                async def handle():
                    return list(executor.map(time.sleep, [0.15, 0.15]))  # blocks

                async def main():
                    return await asyncio.gather(handle(), handle())
                """
            ),
        ),
    ),
    Rule(
        name="multiprocessing",
        to="thread",
        turns=True,
        blockers=WAITS,
        inside=r"multiprocessing\b.*:.*",
        why="A process of `multiprocessing` is waited for:",
        how="{code}; a `fournil.ProcessPool` needs no thread for it.",
        instead="a `fournil.ProcessPool` is awaited.",
        tried=(
            Trial(
                """\
                import asyncio, multiprocessing, time

                def work(seconds):
                    time.sleep(seconds)

                async def handle(pool):
                    return pool.apply(work, (0.15,))  # blocks

                async def main():
                    pool = multiprocessing.get_context("fork").Pool(2)
                    found = await asyncio.gather(handle(pool), handle(pool))
                    pool.close()
                    return found
                """
            ),
        ),
    ),
    Rule(
        name="queue",
        to="thread",
        turns=True,
        blockers=WAITS,
        calls=r"(?i)(.*\.)?\w*queue\w*(\(\))?\.(get|put|join)",
        inside=r"queue:.*",
        why="A `queue.Queue` blocks the whole loop:",
        how="{code} where a thread is at the other end; between tasks `asyncio.Queue`.",
        instead="use `asyncio.Queue` between tasks, and `asyncio.to_thread(...)` where a thread is "
        "at the other end.",
        tried=(
            Trial(
                """\
                import asyncio, queue, threading, time

                jobs = queue.Queue()

                def produce():
                    for number in range(2):
                        time.sleep(0.15)
                        jobs.put(number)

                async def main():
                    thread = threading.Thread(target=produce)
                    thread.start()
                    found = [jobs.get(timeout=5), jobs.get()]  # blocks
                    thread.join()
                    return found
                """,
                """\
                import asyncio, queue, threading, time

                jobs = queue.Queue()

                def produce():
                    for number in range(2):
                        time.sleep(0.15)
                        jobs.put(number)

                async def main():
                    thread = threading.Thread(target=produce)
                    thread.start()
                    get = lambda: [jobs.get(timeout=5), jobs.get()]
                    found = await asyncio.to_thread(get)
                    thread.join()
                    return found
                """,
            ),
            Trial(
                """\
                import asyncio, queue, threading

                async def handle(number):
                    jobs = queue.SimpleQueue()
                    threading.Timer(0.15, jobs.put, [number]).start()
                    return jobs.get()  # blocks

                async def main():
                    return await asyncio.gather(handle(1), handle(2))
                """
            ),
        ),
    ),
    Rule(
        name="join",
        to="thread",
        turns=True,
        blockers=WAITS,
        calls=r"(?i)threading\.(thread|timer)\(\)\.join|\w*thread\w*\.join",
        inside=r"threading:(join|_wait_for_tstate_lock)",
        why="A thread is waited for:",
        how="{code}.",
        tried=(
            Trial(
                """\
                import asyncio, threading, time

                async def handle():
                    worker = threading.Thread(target=time.sleep, args=(0.15,))
                    worker.start()
                    worker.join()  # blocks

                async def main():
                    await asyncio.gather(handle(), handle())
                """
            ),
        ),
    ),
    Rule(
        name="owned lock",
        to="code",
        blockers=WAITS,
        calls=r"threading\.(RLock|Condition)\(\)\.(acquire|wait|wait_for|__enter__)",
        why="A lock that belongs to the thread which took it blocks the whole loop:",
        instead="between tasks use `asyncio.Lock` or `asyncio.Condition`; where a thread holds it, "
        "put all that is done with it in one function for `asyncio.to_thread`.",
    ),
    Rule(
        name="lock",
        to="thread",
        turns=True,
        blockers=WAITS,
        calls=r"(?i).*\.acquire|.*(lock|mutex|semaphore)\w*(\(\))?\.__enter__|threading\.(event|barrier|semaphore)\(\)\.wait",
        inside=r"threading:.*",
        why="What is made for threads blocks the whole loop:",
        how="{code} where a thread is at the other end; between tasks `asyncio.Lock`, "
        "`asyncio.Event` and their like.",
        instead="between tasks use `asyncio.Lock`, `asyncio.Event` and their like; where a thread "
        "holds it, put all that is done with it in one function for `asyncio.to_thread`.",
        tried=(
            Trial(
                """\
                import asyncio, threading

                async def handle():
                    ready = threading.Event()
                    threading.Timer(0.15, ready.set).start()
                    return ready.wait()  # blocks

                async def main():
                    return await asyncio.gather(handle(), handle())
                """
            ),
            Trial(
                """\
                import asyncio, threading

                stock = threading.Lock()

                async def main():
                    stock.acquire()
                    threading.Timer(0.2, stock.release).start()
                    stock.acquire()  # blocks
                    stock.release()
                """
            ),
            Trial(
                """\
                import asyncio, threading

                stock = threading.Lock()

                async def main():
                    stock.acquire()
                    threading.Timer(0.2, stock.release).start()
                    with stock:  # blocks
                        return 3
                """,
                """\
                import asyncio, threading

                stock = threading.Lock()

                def take():
                    with stock:
                        return 3

                async def main():
                    stock.acquire()
                    threading.Timer(0.2, stock.release).start()
                    return await asyncio.to_thread(take)
                """,
            ),
        ),
    ),
)
