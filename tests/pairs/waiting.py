"""Programs that wait for others: servers, locks, semaphores, queues, timers."""

from __future__ import annotations

from tests.pairs.pair import Pair

PAIRS = (
    Pair(
        "a gather of sleeps",
        """\
        import asyncio, time

        async def fetch(number):
            await asyncio.sleep(0.01)
            time.sleep(0.1 + number / 50)  #> await asyncio.sleep(0.1 + number / 50)

        async def main():
            await asyncio.gather(*(fetch(number) for number in range(8)))
            await asyncio.sleep(0.2)

        asyncio.run(main())
        """,
    ),
    Pair(
        "a backend that answers many at a time",
        """\
        import asyncio, load, urllib.request

        def fetch(url):
            with urllib.request.urlopen(url) as answer:
                return answer.read()

        async def job(url):
            await asyncio.sleep(0.001)
            return fetch(url)  #> return await asyncio.to_thread(fetch, url)

        async def main():
            await asyncio.gather(*(job(url) for _ in range(12)))

        with load.backend(takes=0.12, at_once=100) as url:
            asyncio.run(main())
        """,
    ),
    Pair(
        "a backend that answers one at a time",
        """\
        import asyncio, load, urllib.request

        def fetch(url):
            with urllib.request.urlopen(url) as answer:
                return answer.read()

        async def job(url):
            await asyncio.sleep(0.001)
            return fetch(url)  #> return await asyncio.to_thread(fetch, url)

        async def main():
            await asyncio.gather(*(job(url) for _ in range(12)))

        with load.backend(takes=0.12, at_once=1) as url:
            asyncio.run(main())
        """,
    ),
    Pair(
        "a backend of the program's own that answers one at a time",
        """\
        import asyncio, socket, threading, time

        server = socket.create_server(("127.0.0.1", 0))

        def backend():
            while True:
                connection, _ = server.accept()
                time.sleep(0.12)
                connection.sendall(b"bread")
                connection.close()

        def ask():
            with socket.create_connection(server.getsockname()) as connection:
                return connection.recv(10)

        async def job():
            await asyncio.sleep(0.001)
            return ask()  #> return await asyncio.to_thread(ask)

        async def main():
            threading.Thread(target=backend, daemon=True).start()
            await asyncio.gather(*(job() for _ in range(10)))

        asyncio.run(main())
        """,
    ),
    Pair(
        "pages one after the other",
        """\
        import asyncio, load, urllib.request

        def fetch(url):
            with urllib.request.urlopen(url) as answer:
                return answer.read()

        async def main():
            for _ in range(8):
                page = fetch(url)  #> page = await asyncio.to_thread(fetch, url)
                await asyncio.sleep(0.02)

        with load.backend(takes=0.1, at_once=100) as url:
            asyncio.run(main())
        """,
    ),
    Pair(
        "a semaphore",
        """\
        import asyncio, time

        async def fetch(limit):
            async with limit:
                await asyncio.sleep(0.02)
                time.sleep(0.1)  #> await asyncio.sleep(0.1)

        async def main():
            limit = asyncio.Semaphore(3)
            await asyncio.gather(*(fetch(limit) for _ in range(15)))

        asyncio.run(main())
        """,
    ),
    Pair(
        "a lock",
        """\
        import asyncio, time

        async def write(lock):
            async with lock:
                time.sleep(0.08)  #> await asyncio.sleep(0.08)
            await asyncio.sleep(0.15)

        async def main():
            lock = asyncio.Lock()
            await asyncio.gather(*(write(lock) for _ in range(10)))

        asyncio.run(main())
        """,
    ),
    Pair(
        "a lock of threads",
        """\
        import asyncio, threading, time

        lock = threading.Lock()

        def write():
            with lock:
                time.sleep(0.1)

        async def job():
            await asyncio.sleep(0.001)
            write()  #> await asyncio.to_thread(write)

        async def main():
            await asyncio.gather(*(job() for _ in range(8)))

        asyncio.run(main())
        """,
    ),
    Pair(
        "subprocesses",
        """\
        import asyncio
        from subprocess import run

        async def convert():
            await asyncio.sleep(0.001)
            run(["sleep", "0.2"])  #> await asyncio.to_thread(run, ["sleep", "0.2"])

        async def main():
            async with asyncio.TaskGroup() as group:
                for _ in range(5):
                    group.create_task(convert())

        asyncio.run(main())
        """,
    ),
    Pair(
        "queries of a database",
        """\
        import asyncio, contextlib, sqlite3, tempfile, pathlib

        def query(path, number):
            with contextlib.closing(sqlite3.connect(path)) as connection:
                numbers = "(select 1 union all select i + 1 from n where i < 700000)"
                rows = connection.execute(
                    f"with recursive n(i) as {numbers} select sum(i * ?) from n", (number,)
                )
                return rows.fetchone()

        async def handle(path, number):
            await asyncio.sleep(0.001)
            return query(path, number)  #> return await asyncio.to_thread(query, path, number)

        async def main():
            with tempfile.TemporaryDirectory() as folder:
                path = pathlib.Path(folder, "orders.db")
                await asyncio.gather(*(handle(path, number) for number in range(6)))

        asyncio.run(main())
        """,
    ),
    Pair(
        "a retry with pauses",
        """\
        import asyncio, time

        async def attempt(number):
            for pause in (0.05, 0.1, 0.2):
                time.sleep(0.06)  #> await asyncio.sleep(0.06)
                await asyncio.sleep(pause)

        async def main():
            await asyncio.gather(*(attempt(number) for number in range(6)))

        asyncio.run(main())
        """,
    ),
)
