"""Programs that use libraries whose results or arguments cost more to send than they take."""

from __future__ import annotations

from tests.advice.trial import Program

PROGRAMS = (
    Program(
        "compressing_json",
        "dump",
        """\
        import asyncio, json, zlib

        def rows(n):
            return [{"i": i, "text": str(i)} for i in range(n)]

        async def main():
            return len(zlib.compress(json.dumps(rows(150_000)).encode()))  # blocks
        """,
        mended="""\
        import asyncio, json, zlib, fournil

        def rows(n):
            return [{"i": i, "text": str(i)} for i in range(n)]

        def packed(n):
            return len(zlib.compress(json.dumps(rows(n)).encode()))

        async def main():
            return await fournil.to_process(packed, 150_000)
        """,
    ),
    Program(
        "part_of_what_is_loaded",
        "load",
        """\
        import asyncio, json

        text = json.dumps({"total": 7, "rows": [{"i": i, "text": str(i)} for i in range(300_000)]})

        async def main():
            return json.loads(text)["total"]  # blocks
        """,
    ),
    Program(
        "load_from_a_file",
        "load",
        """\
        import asyncio, json, os, tempfile

        path = os.path.join(tempfile.mkdtemp(), "rows.json")
        with open(path, "w") as file:
            json.dump([{"i": i, "text": str(i)} for i in range(300_000)], file)

        async def main():
            with open(path) as file:
                return len(json.load(file))  # blocks
        """,
    ),
    Program(
        "update_in_place",
        "in place",
        """\
        import asyncio, collections

        counts = collections.Counter()
        words = ["bread", "cake", "tart", "bun"] * 1_500_000

        async def main():
            counts.update(words)  # blocks
            return counts["bun"]
        """,
        mended="""\
        import asyncio, collections

        counts = collections.Counter()
        words = ["bread", "cake", "tart", "bun"] * 1_500_000

        async def main():
            for begin in range(0, len(words), 50_000):
                counts.update(words[begin : begin + 50_000])
                await asyncio.sleep(0)
            return counts["bun"]
        """,
    ),
    Program(
        "numpy_mean",
        "native",
        """\
        import asyncio, numpy

        values = numpy.random.default_rng(1).random(3_000_000)

        async def main():
            return float(numpy.sort(values)[0])  # blocks
        """,
        needs="numpy",
    ),
    Program(
        "pandas_groupby",
        "objects in arrays|native",
        """\
        import asyncio, pandas

        keys = [f"k{i % 3000}" for i in range(1_000_000)]
        frame = pandas.DataFrame({"k": keys, "v": range(1_000_000)})

        async def main():
            return int(frame.groupby("k").agg("sum")["v"].iloc[0])  # blocks
        """,
        mended="""\
        import asyncio, fournil, pandas

        def total():
            keys = [f"k{i % 3000}" for i in range(1_000_000)]
            frame = pandas.DataFrame({"k": keys, "v": range(1_000_000)})
            return int(frame.groupby("k").agg("sum")["v"].iloc[0])

        async def main():
            return await fournil.to_process(total)
        """,
        needs="pandas",
    ),
    Program(
        "pandas_apply",
        "python",
        """\
        import asyncio, pandas

        frame = pandas.DataFrame({"v": range(30_000)})

        def grade(row):
            return row["v"] % 7

        async def main():
            return int(frame.apply(grade, axis=1).sum())  # blocks
        """,
        needs="pandas",
    ),
    Program(
        "jinja_template",
        "python",
        """\
        import asyncio, jinja2

        env = jinja2.Environment()
        env.globals["vat"] = 7
        page = env.from_string(
            "{% for row in rows %}{{ row.name }} {{ row.price * vat }}{% endfor %}"
        )

        async def main():
            rows = [{"name": f"n{i}", "price": i} for i in range(60_000)]
            await asyncio.sleep(0)
            html = page.render(rows=rows)  # blocks
            return len(html)
        """,
        mended="""\
        import asyncio, jinja2, fournil

        TEXT = "{% for row in rows %}{{ row.name }} {{ row.price * vat }}{% endfor %}"

        def render(count):
            env = jinja2.Environment()
            env.globals["vat"] = 7
            page = env.from_string(
            "{% for row in rows %}{{ row.name }} {{ row.price * vat }}{% endfor %}"
        )
            return page.render(rows=[{"name": f"n{i}", "price": i} for i in range(count)])

        async def main():
            html = await fournil.to_process(render, 60_000)
            return len(html)
        """,
        needs="jinja2",
    ),
    Program(
        "condition_of_threads",
        "owned lock",
        """\
        import asyncio, threading

        ready = threading.Condition()

        def later():
            with ready:
                ready.notify_all()

        async def main():
            threading.Timer(0.15, later).start()
            with ready:
                return ready.wait(5)  # blocks
        """,
        mended="""\
        import asyncio, threading

        ready = threading.Condition()

        def later():
            with ready:
                ready.notify_all()

        def wait():
            with ready:
                return ready.wait(5)

        async def main():
            threading.Timer(0.15, later).start()
            return await asyncio.to_thread(wait)
        """,
    ),
    Program(
        "import_of_a_name",
        "import",
        """\
        import asyncio

        async def handle():
            from other_slow_module import answer  # blocks
            return answer

        async def main():
            return await handle()
        """,
    ),
)
