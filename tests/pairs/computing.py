"""Programs that compute, in processes or threads when they are mended."""

from __future__ import annotations

from tests.pairs.pair import Pair

PAIRS = (
    Pair(
        "few long calls",
        """\
        import asyncio, fournil

        def total(n):
            found = 0
            for number in range(n):
                found += number * number % 7
            return found

        async def job():
            await asyncio.sleep(0.001)
            return total(9_000_000)  #> return await fournil.to_process(total, 9_000_000)

        async def main():
            await asyncio.gather(*(job() for _ in range(4)))

        asyncio.run(main())
        """,
    ),
    Pair(
        "many short calls",
        """\
        import asyncio, fournil

        def total(n):
            found = 0
            for number in range(n):
                found += number * number % 7
            return found

        async def job():
            await asyncio.sleep(0.001)
            return total(1_000_000)  #> return await fournil.to_process(total, 1_000_000)

        async def main():
            await asyncio.gather(*(job() for _ in range(30)))

        asyncio.run(main())
        """,
    ),
    Pair(
        "one short call",
        """\
        import asyncio, fournil

        def total(n):
            found = 0
            for number in range(n):
                found += number * number % 7
            return found

        async def main():
            await asyncio.sleep(0.1)
            total(1_500_000)  #> await fournil.to_process(total, 1_500_000)
            await asyncio.sleep(0.1)

        asyncio.run(main())
        """,
    ),
    Pair(
        "cores that others want",
        """\
        import asyncio, fournil

        def parse(n):
            found = 0
            for number in range(n):
                found += number * number % 7
            return found

        async def job():
            await asyncio.sleep(0.001)
            return parse(2_500_000)  #> return await fournil.to_process(parse, 2_500_000)

        async def main():
            await asyncio.gather(*(job() for _ in range(8)))

        asyncio.run(main())
        """,
        busy=2,
    ),
    Pair(
        "many bytes that travel",
        """\
        import asyncio, fournil

        blob = b"ab" * 100_000_000

        def count(data):
            return data.count(b"ba")

        async def job():
            await asyncio.sleep(0.001)
            return count(blob)  #> return await fournil.to_process(count, blob)

        async def main():
            await asyncio.gather(*(job() for _ in range(3)))

        asyncio.run(main())
        """,
    ),
    Pair(
        "many numbers that travel",
        """\
        import asyncio, fournil, random

        random.seed(1)
        numbers = [random.random() for _ in range(1_500_000)]

        async def job():
            await asyncio.sleep(0.001)
            return sorted(numbers)  #> return await fournil.to_process(sorted, numbers)

        async def main():
            await asyncio.gather(*(job() for _ in range(3)))

        asyncio.run(main())
        """,
    ),
    Pair(
        "lines of a file, parsed",
        """\
        import asyncio, fournil, json, tempfile

        def parse(path):
            found = 0
            with open(path) as lines:
                for line in lines:
                    found += json.loads(line)["price"]
            return found

        async def job(path):
            await asyncio.sleep(0.001)
            return parse(path)  #> return await fournil.to_process(parse, path)

        async def main(path):
            await asyncio.gather(*(job(path) for _ in range(4)))

        with tempfile.NamedTemporaryFile("w") as file:
            for number in range(80_000):
                file.write(json.dumps({"name": f"bread {number}", "price": number}) + "\\n")
            file.flush()
            asyncio.run(main(file.name))
        """,
    ),
    Pair(
        "an expression that backtracks",
        """\
        import asyncio, fournil, re

        text = "a" * 22 + "b"

        def matches(text):
            return re.match(r"(a|a)*c", text) is not None

        async def job():
            await asyncio.sleep(0.001)
            return matches(text)  #> return await fournil.to_process(matches, text)

        async def main():
            await asyncio.gather(*(job() for _ in range(6)))

        asyncio.run(main())
        """,
    ),
    Pair(
        "hashes of a large buffer",
        """\
        import asyncio, hashlib

        data = bytes(120_000_000)

        async def job():
            await asyncio.sleep(0.001)
            found = hashlib.sha256(data)  #> found = await asyncio.to_thread(hashlib.sha256, data)
            return found.hexdigest()

        async def main():
            await asyncio.gather(*(job() for _ in range(6)))

        asyncio.run(main())
        """,
    ),
    Pair(
        "compression beside a sleep",
        """\
        import asyncio, zlib

        data = b"flour water salt yeast " * 400_000

        async def job():
            await asyncio.sleep(0.001)
            return zlib.compress(data, 6)  #> return await asyncio.to_thread(zlib.compress, data, 6)

        async def main():
            await asyncio.gather(*(job() for _ in range(6)), asyncio.sleep(0.3))

        asyncio.run(main())
        """,
    ),
    Pair(
        "linear algebra on all cores",
        """\
        import asyncio, numpy

        numbers = numpy.random.default_rng(1).random((1500, 1500))

        async def job():
            await asyncio.sleep(0.001)
            return numbers @ numbers  #> return await asyncio.to_thread(lambda: numbers @ numbers)

        async def main():
            await asyncio.gather(*(job() for _ in range(6)))

        asyncio.run(main())
        """,
        needs="numpy",
    ),
    Pair(
        "a module that is slow to import",
        """\
        import asyncio, fournil
        from slow_module import total

        async def job():
            await asyncio.sleep(0.001)
            return total(3_000_000)  #> return await fournil.to_process(total, 3_000_000)

        async def main():
            await asyncio.gather(*(job() for _ in range(4)))

        asyncio.run(main())
        """,
    ),
    Pair(
        "results that are large",
        """\
        import asyncio, fournil

        def rows(n):
            return [(number, str(number), number * 0.5) for number in range(n)]

        async def job():
            await asyncio.sleep(0.001)
            return rows(250_000)  #> return await fournil.to_process(rows, 250_000)

        async def main():
            for found in await asyncio.gather(*(job() for _ in range(4))):
                assert len(found) == 250_000

        asyncio.run(main())
        """,
    ),
    Pair(
        "rows that are pickled in the loop",
        """\
        import asyncio, fournil, pickle

        def packed(n):
            rows = [{"name": f"bread {number}", "price": number / 7} for number in range(n)]
            return pickle.dumps(rows)

        async def job():
            await asyncio.sleep(0.001)
            return len(packed(120_000))  #> return len(await fournil.to_process(packed, 120_000))

        async def main():
            await asyncio.gather(*(job() for _ in range(6)))

        asyncio.run(main())
        """,
    ),
    Pair(
        "a pool that has started",
        """\
        import asyncio, fournil

        def total(n):
            found = 0
            for number in range(n):
                found += number * number % 7
            return found

        async def job():
            await asyncio.sleep(0.001)
            return total(1_500_000)  #> return await fournil.to_process(total, 1_500_000)

        async def main():
            await fournil.to_process(total, 10)
            await asyncio.gather(*(job() for _ in range(10)))

        asyncio.run(main())
        """,
    ),
    Pair(
        "more calls than threads",
        """\
        import asyncio, subprocess

        def convert():
            subprocess.run(["sleep", "0.1"], check=True)

        async def job():
            await asyncio.sleep(0.001)
            convert()  #> await asyncio.to_thread(convert)

        async def main():
            await asyncio.gather(*(job() for _ in range(16)))

        asyncio.run(main())
        """,
    ),
    Pair(
        "waits and work in one handler",
        """\
        import asyncio, fournil, time

        def total(n):
            found = 0
            for number in range(n):
                found += number * number % 7
            return found

        async def job():
            await asyncio.sleep(0.001)
            time.sleep(0.1)  #> await asyncio.sleep(0.1)
            total(1_500_000)  #> await fournil.to_process(total, 1_500_000)

        async def main():
            await asyncio.gather(*(job() for _ in range(6)))

        asyncio.run(main())
        """,
    ),
)
