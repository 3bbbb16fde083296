"""What waits for servers, databases, files, and whatever else is off the CPU.

In a task, or at least in a thread, others run meanwhile.
"""

from fournil.observe.advice.rules.rule import NATIVE, WAITING, Rule, Trial

WAITS = (WAITING,)

RULES = (
    Rule(
        name="httpx",
        to="thread",
        turns=True,
        blockers=WAITS,
        calls=r"httpx\.(get|post|put|delete|patch|head|request|Client\(\)\..*)",
        inside=r"(httpx|httpcore)\b.*:.*",
        why="A server is waited for:",
        how="{code}, or `httpx.AsyncClient` in place of `httpx.Client`.",
        instead="use `httpx.AsyncClient` in place of `httpx.Client`.",
    ),
    Rule(
        name="http",
        to="thread",
        turns=True,
        blockers=WAITS,
        calls=r"(requests|urllib3)\..*|.*\burlopen",
        inside=r"(requests|urllib3|urllib\.request|http\.client|botocore)\b.*:.*",
        why="A server is waited for:",
        how="{code}, or an async client (`httpx.AsyncClient`, `aiohttp`).",
        instead="use an async client (`httpx.AsyncClient`, `aiohttp`).",
        tried=(
            Trial(
                """\
                import asyncio, http.server, threading, time, urllib.request

                class Slow(http.server.BaseHTTPRequestHandler):
                    def do_GET(self):
                        time.sleep(0.15)
                        self.send_response(200)
                        self.end_headers()

                    def log_message(self, *args): ...

                async def handle(url):
                    return urllib.request.urlopen(url).read()  # blocks

                server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
                threading.Thread(target=server.serve_forever, daemon=True).start()

                async def main():
                    url = f"http://127.0.0.1:{server.server_port}/"
                    return await asyncio.gather(handle(url), handle(url))
                """
            ),
            Trial(
                """\
                import asyncio, http.server, threading, time, requests

                class Slow(http.server.BaseHTTPRequestHandler):
                    def do_GET(self):
                        time.sleep(0.15)
                        self.send_response(200)
                        self.end_headers()

                    def log_message(self, *args): ...

                def fetch(url):
                    return requests.get(url, timeout=10)

                async def handle(url):
                    answer = fetch(url)  # blocks
                    return answer.status_code

                server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
                threading.Thread(target=server.serve_forever, daemon=True).start()

                async def main():
                    url = f"http://127.0.0.1:{server.server_port}/"
                    return await asyncio.gather(handle(url), handle(url))
                """
            ),
        ),
    ),
    Rule(
        name="getaddrinfo",
        to="await",
        turns=True,
        blockers=WAITS,
        calls=r"socket\.getaddrinfo",
        why="Looking up a host blocks:",
        how="{code}.",
        instead="`await loop.getaddrinfo(...)`.",
        template="await asyncio.get_running_loop().getaddrinfo({args})",
    ),
    Rule(
        name="names of hosts",
        to="thread",
        turns=True,
        blockers=WAITS,
        calls=r"socket\.(gethostbyname|gethostbyname_ex|gethostbyaddr|getfqdn)",
        inside=r"socket:(getaddrinfo|getfqdn)",
        why="Looking up a host blocks:",
        how="{code}, or `loop.getaddrinfo(...)`.",
        instead="`await loop.getaddrinfo(...)`.",
    ),
    Rule(
        name="sqlalchemy",
        to="thread",
        turns=True,
        blockers=(WAITING, NATIVE),
        inside=r"sqlalchemy\b.*:.*",
        why="A database is waited for:",
        instead="use SQLAlchemy's `create_async_engine(...)` with `AsyncSession`, or put all that "
        "is done with one session in a function for `asyncio.to_thread`.",
        apart=True,
    ),
    Rule(
        name="psycopg",
        to="thread",
        turns=True,
        blockers=WAITS,
        inside=r"psycopg\b.*:.*",
        why="A database is waited for:",
        how="{code}, or `psycopg.AsyncConnection` in place of `psycopg.Connection`.",
        instead="use `psycopg.AsyncConnection` in place of `psycopg.Connection`.",
    ),
    Rule(
        name="redis",
        to="thread",
        turns=True,
        blockers=WAITS,
        inside=r"redis\b.*:.*",
        why="A database is waited for:",
        how="{code}, or `redis.asyncio`.",
        instead="use `redis.asyncio`.",
    ),
    Rule(
        name="pymongo",
        to="thread",
        turns=True,
        blockers=WAITS,
        inside=r"pymongo\b.*:.*",
        why="A database is waited for:",
        how="{code}, or pymongo's `AsyncMongoClient`.",
        instead="use pymongo's `AsyncMongoClient`.",
    ),
    Rule(
        name="sqlite3",
        to="thread",
        blockers=(WAITING, NATIVE),
        calls=r"sqlite3\.connect\(\).*",
        apart=True,
        why="A connection of `sqlite3` may only be used in the thread that made it:",
        how="{code}, or `aiosqlite`.",
        instead="open one in the function that uses it, for `asyncio.to_thread`, or use "
        "`aiosqlite`.",
        tried=(
            Trial(
                """\
                import asyncio, pathlib, sqlite3, tempfile

                PATH = pathlib.Path(tempfile.mkdtemp()) / "stock.db"
                COUNT = (
                    "with recursive n(i) as (select 1 union all select i + 1 from n where i < ?) "
                    "select count(*) from n"
                )
                db = sqlite3.connect(PATH)

                async def main():
                    most = 800_000
                    found = db.execute(COUNT, (most,)).fetchone()  # blocks
                    db.close()
                    return found
                """
            ),
            Trial(
                """\
                import asyncio, sqlite3

                db = sqlite3.connect(":memory:")
                COUNT = (
                    "with recursive n(i) as (select 1 union all select i + 1 from n where i < ?) "
                    "select count(*) from n"
                )

                async def main():
                    found = db.execute(COUNT, (800_000,)).fetchone()  # blocks
                    db.close()
                    return found
                """,
                """\
                import asyncio, sqlite3

                COUNT = (
                    "with recursive n(i) as (select 1 union all select i + 1 from n where i < ?) "
                    "select count(*) from n"
                )

                def count():
                    db = sqlite3.connect(":memory:")
                    found = db.execute(COUNT, (800_000,)).fetchone()
                    db.close()
                    return found

                async def main():
                    return await asyncio.to_thread(count)
                """,
            ),
        ),
    ),
    Rule(
        name="sqlite3 from elsewhere",
        to="thread",
        blockers=(NATIVE,),
        calls=r".*\.(execute|executemany|executescript|fetchone|fetchmany|fetchall|commit)",
        apart=True,
        why="A connection of `sqlite3` may only be used in the thread that made it:",
        instead="open one in the function that uses it, for `asyncio.to_thread`, or use "
        "`aiosqlite`.",
    ),
    Rule(
        name="database",
        to="thread",
        turns=True,
        blockers=WAITS,
        calls=r".*\.(execute|executemany|executescript|commit|fetch\w+)",
        inside=r"(psycopg2|pymysql|MySQLdb|mysql|oracledb|pyodbc)\b.*:.*",
        why="A database is waited for:",
        how="{code}, or an async driver (`asyncpg`, `aiosqlite`, `aiomysql`).",
        instead="use an async driver (`asyncpg`, `aiosqlite`, `aiomysql`).",
    ),
    Rule(
        name="socket",
        to="thread",
        turns=True,
        blockers=WAITS,
        calls=r".*\.(recv|recv_into|recvfrom|recvmsg|sendall|sendto|sendmsg|accept|connect|"
        r"do_handshake|create_connection)",
        inside=r"(socket|ssl):.*",
        why="A blocking socket stops the whole loop:",
        how="{code}; without a thread: `sock.setblocking(False)`, then "
        "`await loop.sock_recv(sock, n)` and its like, or streams from `asyncio.open_connection`.",
        instead="`sock.setblocking(False)`, then `await loop.sock_recv(sock, n)` and its like, or "
        "streams from `await asyncio.open_connection(...)`.",
        tried=(
            Trial(
                """\
                import asyncio, socket, threading

                async def handle():
                    ours, theirs = socket.socketpair()
                    threading.Timer(0.15, theirs.sendall, [b"x"]).start()
                    data = ours.recv(10)  # blocks
                    ours.close()
                    theirs.close()
                    return data

                async def main():
                    return await asyncio.gather(handle(), handle())
                """
            ),
        ),
    ),
    Rule(
        name="input",
        to="thread",
        blockers=WAITS,
        calls=r"input",
        why="The user is waited for:",
        how="{code}.",
    ),
    Rule(
        name="files",
        to="thread",
        turns=True,
        blockers=WAITS,
        calls=r"(open|os\.(fsync|fdatasync|sync|open|read|write|walk|stat|listdir|scandir|rename)|"
        r"shutil\.\w+)|.*\.(read|readline|readlines|readinto|write|writelines|flush|truncate|"
        r"read_text|write_text|read_bytes|write_bytes)",
        inside=r"(shutil|pathlib|tempfile|zipfile|tarfile|glob|os|io)\b.*:.*",
        why="Files have no async form in asyncio:",
        how="{code}.",
        tried=(
            Trial(
                """\
                import asyncio, os, threading

                def slowly(path):
                    with open(path, "w") as file:
                        threading.Event().wait(0.15)
                        file.write("bread")

                async def handle(path):
                    threading.Thread(target=slowly, args=(path,)).start()
                    return open(path).read()  # blocks

                async def main():
                    import tempfile
                    with tempfile.TemporaryDirectory() as folder:
                        paths = [os.path.join(folder, str(number)) for number in range(2)]
                        for path in paths:
                            os.mkfifo(path)
                        return await asyncio.gather(*map(handle, paths))
                """
            ),
        ),
    ),
    Rule(
        name="waiting",
        to="thread",
        turns=True,
        blockers=WAITS,
        why="It waits and uses no CPU:",
        how="{code}, or an async client where there is one.",
        tried=(
            Trial(
                """\
                import asyncio, select

                async def handle():
                    return select.select([], [], [], 0.15)  # blocks

                async def main():
                    return await asyncio.gather(handle(), handle())
                """
            ),
            Trial(
                """\
                import asyncio, select, time

                class Sensor:
                    @property
                    def value(self):
                        select.select([], [], [], 0.15)
                        return 3

                async def handle(sensor):
                    return sensor.value + 1  # blocks

                async def main():
                    return await asyncio.gather(handle(Sensor()), handle(Sensor()))
                """
            ),
            Trial(
                """\
                import asyncio, select

                def readings(count):
                    for number in range(count):
                        select.select([], [], [], 0.05)
                        yield number

                async def handle():
                    total = 0
                    for number in readings(3):  # blocks
                        total += number
                    return total

                async def main():
                    return await asyncio.gather(handle(), handle())
                """
            ),
        ),
    ),
)
