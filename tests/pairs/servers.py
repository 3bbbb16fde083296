"""Servers that block, under loads of several kinds."""

from __future__ import annotations

from tests.pairs.pair import Pair

TWO_LINES = """\
    import asyncio, load, time

    async def look_up(key):
        time.sleep(0.03)  #> await asyncio.sleep(0.03)
        return key

    async def bake(key):
        time.sleep(0.05)  #> await asyncio.sleep(0.05)
        return key

    async def handle(reader, writer):
        global answered
        while question := await reader.readline():
            key = await look_up(question)
            await asyncio.sleep(0)
            writer.write(await bake(key))
            answered += 1
            if answered == 24:
                done.set()
        writer.close()

    async def main():
        global answered, done
        answered, done = 0, asyncio.Event()
        async with await asyncio.start_server(handle, sock=bakery):
            await done.wait()

    with load.listening() as bakery, load.closed(bakery, clients=4, each=6):
        asyncio.run(main())
    """

TWO_ROUTES = """\
    import asyncio, load, time

    async def price():
        time.sleep(0.03)  #> await asyncio.sleep(0.03)

    async def order():
        time.sleep(0.05)  #> await asyncio.sleep(0.05)

    async def handle(reader, writer):
        global asked, answered
        asked += 1
        route = order if asked % 3 == 0 else price
        await reader.readline()
        await route()
        writer.write(b"bread\\n")
        writer.close()
        answered += 1
        if answered == 40:
            done.set()

    async def main():
        global asked, answered, done
        asked, answered, done = 0, 0, asyncio.Event()
        async with await asyncio.start_server(handle, sock=bakery):
            await done.wait()

    with load.listening() as bakery, load.reconnecting(bakery, clients=4, each=10):
        asyncio.run(main())
    """

LOOK_UP_MENDED = "  #> await asyncio.sleep(0.03)"
BAKE_MENDED = "  #> await asyncio.sleep(0.05)"

PAIRS = (
    Pair(
        "server and clients in one loop",
        """\
        import asyncio, time

        async def handle(reader, writer):
            while question := await reader.readline():
                time.sleep(0.03)  #> await asyncio.sleep(0.03)
                writer.write(question)
            writer.close()

        async def ask(port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for _ in range(8):
                writer.write(b"bread?\\n")
                await reader.readline()
            writer.close()
            await writer.wait_closed()

        async def main():
            async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
                port = server.sockets[0].getsockname()[1]
                await asyncio.gather(*(ask(port) for _ in range(5)))

        asyncio.run(main())
        """,
    ),
    Pair(
        "clients elsewhere, each asks when it is answered",
        """\
        import asyncio, load, time

        async def handle(reader, writer):
            global answered
            while question := await reader.readline():
                time.sleep(0.025)  #> await asyncio.sleep(0.025)
                writer.write(question)
                answered += 1
                if answered == 48:
                    done.set()
            writer.close()

        async def main():
            global answered, done
            answered, done = 0, asyncio.Event()
            async with await asyncio.start_server(handle, sock=bakery):
                await done.wait()

        with load.listening() as bakery, load.closed(bakery, clients=6, each=8):
            asyncio.run(main())
        """,
    ),
    Pair(
        "clients elsewhere that think",
        """\
        import asyncio, load, time

        async def handle(reader, writer):
            global answered
            while question := await reader.readline():
                time.sleep(0.04)  #> await asyncio.sleep(0.04)
                writer.write(question)
                answered += 1
                if answered == 32:
                    done.set()
            writer.close()

        async def main():
            global answered, done
            answered, done = 0, asyncio.Event()
            async with await asyncio.start_server(handle, sock=bakery):
                await done.wait()

        with load.listening() as bakery, load.closed(bakery, clients=4, each=8, think=0.06):
            asyncio.run(main())
        """,
    ),
    Pair(
        "a server that is asked at a rate",
        """\
        import asyncio, load, time

        async def handle(reader, writer):
            global answered
            await reader.readline()
            time.sleep(0.03)  #> await asyncio.sleep(0.03)
            writer.write(b"bread\\n")
            writer.close()
            answered += 1
            if answered == 40:
                done.set()

        async def main():
            global answered, done
            answered, done = 0, asyncio.Event()
            async with await asyncio.start_server(handle, sock=bakery):
                await done.wait()

        with load.listening() as bakery, load.at_rate(bakery, rate=22, count=40):
            asyncio.run(main())
        """,
    ),
    Pair(
        "a server that is asked more than it bears",
        """\
        import asyncio, load, time

        async def handle(reader, writer):
            global answered
            await reader.readline()
            time.sleep(0.05)  #> await asyncio.sleep(0.05)
            writer.write(b"bread\\n")
            writer.close()
            answered += 1
            if answered == 40:
                done.set()

        async def main():
            global answered, done
            answered, done = 0, asyncio.Event()
            async with await asyncio.start_server(handle, sock=bakery):
                await done.wait()

        with load.listening() as bakery, load.at_rate(bakery, rate=40, count=40):
            asyncio.run(main())
        """,
    ),
    Pair(
        "a protocol that starts tasks",
        """\
        import asyncio, load, time

        class Bakery(asyncio.Protocol):
            def connection_made(self, transport):
                self.transport = transport

            def data_received(self, data):
                tasks.add(asyncio.create_task(self.answer(data)))

            async def answer(self, data):
                global answered
                time.sleep(0.03)  #> await asyncio.sleep(0.03)
                self.transport.write(data)
                answered += 1
                if answered == 40:
                    done.set()

        async def main():
            global answered, done, tasks
            answered, done, tasks = 0, asyncio.Event(), set()
            loop = asyncio.get_running_loop()
            async with await loop.create_server(Bakery, sock=bakery):
                await done.wait()

        with load.listening() as bakery, load.closed(bakery, clients=5, each=8):
            asyncio.run(main())
        """,
    ),
    Pair(
        "a connection for each question",
        """\
        import asyncio, load, time

        async def handle(reader, writer):
            global answered
            await reader.readline()
            time.sleep(0.03)  #> await asyncio.sleep(0.03)
            writer.write(b"bread\\n")
            writer.close()
            answered += 1
            if answered == 40:
                done.set()

        async def main():
            global answered, done
            answered, done = 0, asyncio.Event()
            async with await asyncio.start_server(handle, sock=bakery):
                await done.wait()

        with load.listening() as bakery, load.reconnecting(bakery, clients=5, each=8):
            asyncio.run(main())
        """,
    ),
    Pair(
        "a protocol that is asked at random",
        """\
        import asyncio, load, time

        class Bakery(asyncio.Protocol):
            def connection_made(self, transport):
                self.transport = transport

            def data_received(self, data):
                tasks.add(asyncio.create_task(self.answer(data)))

            async def answer(self, data):
                global answered
                time.sleep(0.04)  #> await asyncio.sleep(0.04)
                self.transport.write(data)
                self.transport.close()
                answered += 1
                if answered == 40:
                    done.set()

        async def main():
            global answered, done, tasks
            answered, done, tasks = 0, asyncio.Event(), set()
            loop = asyncio.get_running_loop()
            async with await loop.create_server(Bakery, sock=bakery):
                await done.wait()

        with load.listening() as bakery, load.at_random(bakery, rate=22, count=40):
            asyncio.run(main())
        """,
    ),
    Pair(
        "a server that computes",
        """\
        import asyncio, fournil, load

        def total(n):
            found = 0
            for number in range(n):
                found += number * number % 7
            return found

        async def handle(reader, writer):
            global answered
            while question := await reader.readline():
                found = total(900_000)  #> found = await fournil.to_process(total, 900_000)
                writer.write(b"%d\\n" % found)
                answered += 1
                if answered == 24:
                    done.set()
            writer.close()

        async def main():
            global answered, done
            answered, done = 0, asyncio.Event()
            async with await asyncio.start_server(handle, sock=bakery):
                await done.wait()

        with load.listening() as bakery, load.closed(bakery, clients=3, each=8):
            asyncio.run(main())
        """,
    ),
    Pair("two lines of a server", TWO_LINES),
    Pair(
        "two lines of one step, the first mended",
        TWO_LINES.replace(BAKE_MENDED, "").replace("await asyncio.sleep(0)", "pass"),
        only="look_up",
    ),
    Pair(
        "two lines of one step, the second mended",
        TWO_LINES.replace(LOOK_UP_MENDED, "").replace("await asyncio.sleep(0)", "pass"),
        only="bake",
    ),
    Pair("two routes of a server", TWO_ROUTES),
    Pair(
        "two routes of a server, the first mended",
        TWO_ROUTES.replace(BAKE_MENDED, ""),
        only="price",
    ),
    Pair(
        "two routes of a server, the second mended",
        TWO_ROUTES.replace(LOOK_UP_MENDED, ""),
        only="order",
    ),
    Pair(
        "two lines of a server, the first mended",
        TWO_LINES.replace(BAKE_MENDED, ""),
        only="look_up",
    ),
    Pair(
        "two lines of a server, the second mended",
        TWO_LINES.replace(LOOK_UP_MENDED, ""),
        only="bake",
    ),
    Pair(
        "log-ins that hash",
        """\
        import asyncio, hashlib, load

        def key_of(password):
            return hashlib.pbkdf2_hmac("sha256", password, b"salt", 160_000)

        async def handle(reader, writer):
            global answered
            while password := await reader.readline():
                key = key_of(password)  #> key = await asyncio.to_thread(key_of, password)
                writer.write(key.hex().encode() + b"\\n")
                answered += 1
                if answered == 24:
                    done.set()
            writer.close()

        async def main():
            global answered, done
            answered, done = 0, asyncio.Event()
            async with await asyncio.start_server(handle, sock=bakery):
                await done.wait()

        with load.listening() as bakery, load.closed(bakery, clients=4, each=6):
            asyncio.run(main())
        """,
    ),
    Pair(
        "a server until its clients have gone",
        """\
        import asyncio, load, time

        async def handle(reader, writer):
            while question := await reader.readline():
                time.sleep(0.05)  #> await asyncio.sleep(0.05)
                writer.write(question)
            writer.close()

        async def main():
            async with await asyncio.start_server(handle, sock=bakery):
                while clients.poll() is None:
                    await asyncio.sleep(0.05)

        with load.listening() as bakery, load.closed(bakery, clients=4, each=6) as clients:
            asyncio.run(main())
        """,
    ),
)
