"""Programs whose work needs, returns, enters or raises what cannot be sent."""

from __future__ import annotations

from tests.advice.trial import Program

PROGRAMS = (
    Program(
        "dataclass_with_lock",
        "python",
        """\
        import asyncio, threading
        from dataclasses import dataclass, field

        @dataclass
        class Shop:
            n: int
            lock: threading.Lock = field(default_factory=threading.Lock)
            def total(self):
                with self.lock:
                    return sum(i * i % 7 for i in range(self.n))

        async def main():
            shop = Shop(2_500_000)
            return shop.total()  # blocks
        """,
        mended="""\
        import asyncio, threading, fournil
        from dataclasses import dataclass, field

        @dataclass
        class Shop:
            n: int
            lock: threading.Lock = field(default_factory=threading.Lock)
            def total(self):
                with self.lock:
                    return sum(i * i % 7 for i in range(self.n))
            def __getstate__(self):
                return {"n": self.n}
            def __setstate__(self, state):
                self.__init__(**state)

        async def main():
            shop = Shop(2_500_000)
            return await fournil.to_process(shop.total)
        """,
        says="`shop` with its `lock` cannot be sent",
    ),
    Program(
        "contextmanager_python",
        "python",
        """\
        import asyncio, contextlib

        @contextlib.contextmanager
        def prices(n):
            total = 0
            for i in range(n):
                total += i * i % 7
            yield total

        async def main():
            with prices(2_500_000) as total:  # blocks
                await asyncio.sleep(0)
            return total
        """,
        mended="""\
        import asyncio, contextlib, fournil

        def computed(n):
            total = 0
            for i in range(n):
                total += i * i % 7
            return total

        @contextlib.asynccontextmanager
        async def prices(n):
            yield await fournil.to_process(computed, n)

        async def main():
            async with prices(2_500_000) as total:
                await asyncio.sleep(0)
            return total
        """,
        says="asynchronous context manager",
    ),
    Program(
        "contextmanager_waits",
        "waiting",
        """\
        import asyncio, contextlib, select

        @contextlib.contextmanager
        def session():
            select.select([], [], [], 0.15)
            yield 3

        async def handle():
            with session() as number:  # blocks
                return number

        async def main():
            return await asyncio.gather(handle(), handle())
        """,
        mended="""\
        import asyncio, contextlib, select

        @contextlib.contextmanager
        def session():
            select.select([], [], [], 0.15)
            yield 3

        def number():
            with session() as number:
                return number

        async def handle():
            return await asyncio.to_thread(number)

        async def main():
            return await asyncio.gather(handle(), handle())
        """,
        says="put the `with` and what is done inside",
    ),
    Program(
        "contextmanager_exit",
        "waiting",
        """\
        import asyncio, select

        class Session:
            def __enter__(self):
                return self
            def __exit__(self, *error):
                select.select([], [], [], 0.15)

        async def handle():
            with Session() as session:  # blocks
                n = 3
            return n

        async def main():
            return await asyncio.gather(handle(), handle())
        """,
        mended="""\
        import asyncio, select

        class Session:
            def __enter__(self):
                return self
            def __exit__(self, *error):
                select.select([], [], [], 0.15)

        def number():
            with Session() as session:
                n = 3
            return n

        async def handle():
            return await asyncio.to_thread(number)

        async def main():
            return await asyncio.gather(handle(), handle())
        """,
        says="put the `with` and what is done inside",
    ),
    Program(
        "csv_after_header",
        "python",
        """\
        import asyncio, csv, os, tempfile
        path = os.path.join(tempfile.mkdtemp(), "rows.csv")
        with open(path, "w") as out:
            out.write("name,price\\n" + "".join(f"n{i},{i}\\n" for i in range(400_000)))

        async def main():
            with open(path) as file:
                header = file.readline()
                rows = sum(len(row) for row in csv.reader(file))  # blocks
            return rows
        """,
        mended="""\
        import asyncio, csv, os, tempfile, fournil
        path = os.path.join(tempfile.mkdtemp(), "rows.csv")
        with open(path, "w") as out:
            out.write("name,price\\n" + "".join(f"n{i},{i}\\n" for i in range(400_000)))

        def count(path):
            with open(path) as file:
                file.readline()
                return sum(len(row) for row in csv.reader(file))

        async def main():
            return await fournil.to_process(count, path)
        """,
        says="`file` cannot be sent",
    ),
    Program(
        "generator_used_twice",
        "python|native-gil",
        """\
        import asyncio

        def numbers(n):
            for i in range(n):
                yield i * i % 7

        async def main():
            source = numbers(3_000_000)
            first = next(source)
            rest = sum(source)  # blocks
            return first, rest
        """,
        mended="""\
        import asyncio, fournil

        def numbers(n):
            for i in range(n):
                yield i * i % 7

        def work(n):
            source = numbers(n)
            first = next(source)
            return first, sum(source)

        async def main():
            return await fournil.to_process(work, 3_000_000)
        """,
        says="`source` cannot be sent",
    ),
    Program(
        "exception_from_callee",
        "python",
        """\
        import asyncio

        class Bad(Exception):
            def __init__(self, code, text):
                super().__init__(text)
                self.code = code

        def check(n):
            total = sum(i * i % 7 for i in range(n))
            raise Bad(total, "bad")

        async def main():
            try:
                check(2_500_000)  # blocks
            except Bad as error:
                return error.code
        """,
        mended="""\
        import asyncio, fournil

        class Bad(Exception):
            def __init__(self, code, text):
                super().__init__(code, text)
                self.code = code

        def check(n):
            total = sum(i * i % 7 for i in range(n))
            raise Bad(total, "bad")

        async def main():
            try:
                await fournil.to_process(check, 2_500_000)
            except Bad as error:
                return error.code
        """,
        says="`check` raises `Bad`",
    ),
    Program(
        "protocol_method",
        "python",
        """\
        import asyncio

        class Server(asyncio.Protocol):
            def connection_made(self, transport):
                self.transport = transport
            def data_received(self, data):
                self.transport.write(self.answer(data))
            def answer(self, data):
                return str(sum(i * i % 7 for i in range(2_000_000))).encode()  # blocks

        async def main():
            loop = asyncio.get_running_loop()
            server = await loop.create_server(Server, "127.0.0.1", 0)
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"x")
            found = await reader.read(100)
            writer.close()
            server.close()
            return found
        """,
        mended="""\
        import asyncio, fournil

        def answer(data):
            return str(sum(i * i % 7 for i in range(2_000_000))).encode()

        class Server(asyncio.Protocol):
            def connection_made(self, transport):
                self.transport = transport
            def data_received(self, data):
                self.task = asyncio.create_task(self.reply(data))
            async def reply(self, data):
                self.transport.write(await fournil.to_process(answer, data))

        async def main():
            loop = asyncio.get_running_loop()
            server = await loop.create_server(Server, "127.0.0.1", 0)
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"x")
            found = await reader.read(100)
            writer.close()
            server.close()
            return found
        """,
        says="`self` with its transport cannot be sent",
    ),
    Program(
        "sqlite_opened_by_function",
        "sqlite3",
        """\
        import asyncio, sqlite3
        COUNT = ("with recursive n(i) as (select 1 union all select i + 1 from n where i < 700000) "
                 "insert into t select i from n")

        def open_db(path):
            db = sqlite3.connect(path)
            db.execute("create table if not exists t (i int)")
            db.execute(COUNT)
            return db

        async def main():
            db = open_db(":memory:")  # blocks
            found = db.execute("select max(i) from t").fetchone()
            db.close()
            return found
        """,
        mended="""\
        import asyncio, sqlite3
        COUNT = ("with recursive n(i) as (select 1 union all select i + 1 from n where i < 700000) "
                 "insert into t select i from n")

        def largest(path):
            db = sqlite3.connect(path)
            db.execute("create table if not exists t (i int)")
            db.execute(COUNT)
            found = db.execute("select max(i) from t").fetchone()
            db.close()
            return found

        async def main():
            return await asyncio.to_thread(largest, ":memory:")
        """,
        says="may only be used in the thread that made it",
    ),
)
