"""What cannot be sent to a process, or costs more to send than it takes."""

from fournil.observe.advice.rules.rule import COMPUTING, KEEPS_GIL, NATIVE_GIL, WAITING, Rule, Trial

NESTED = (
    "A pattern of nested repeats, as `(a+)+`, takes twice as long with each character: write it "
    "without."
)

POOLS = r"fournil\.to_process|.*(Pool|pool|executor)\w*(\(\))?\.(run|map|submit|apply\w*)"

RULES = (
    Rule(
        name="first call of a pool",
        to="code",
        calls=POOLS,
        inside=r"fournil\.(offload|_worker)\b.*",
        imports=True,
        why="The first call of a pool imports what pools need, and starts a worker, once:",
        instead="make one before there is anybody to wait, or let it be.",
    ),
    Rule(
        name="sent to a pool",
        to="code",
        blockers=COMPUTING,
        calls=POOLS,
        inside=r"fournil\.(offload|_worker)\b.*|cloudpickle\b.*",
        why="What is sent to a process is pickled here first, {call} does that:",
        instead="send less, as where the data is to be found; `fournil.share` places big arrays "
        "in shared memory once, for many calls.",
        tried=(
            Trial(
                """\
                import asyncio, fournil

                def total(rows):
                    return sum(row["i"] for row in rows)

                async def main():
                    rows = [{"i": i, "text": str(i), "list": [i]} for i in range(200_000)]
                    await asyncio.sleep(0.001)
                    return await fournil.to_process(total, rows)  # blocks
                """,
                """\
                import asyncio, fournil

                def total():
                    rows = [{"i": i, "text": str(i), "list": [i]} for i in range(200_000)]
                    return sum(row["i"] for row in rows)

                async def main():
                    await asyncio.sleep(0.001)
                    return await fournil.to_process(total)
                """,
            ),
        ),
    ),
    Rule(
        name="compile",
        to="process",
        blockers=(NATIVE_GIL,),
        calls=r"compile",
        why="The compiler keeps the GIL, and code objects travel by `marshal` alone:",
        how="{code}.",
        template="marshal.loads(await fournil.to_process({work}, {args}))",
        define="def {work}(*args, **kwargs):\n    return marshal.dumps(compile(*args, **kwargs))",
        needs=("marshal",),
        tried=(
            Trial(
                """\
                import asyncio

                source = "\\n".join(f"def f{i}(a): return a + {i} * {i}" for i in range(9_000))

                async def main():
                    code = compile(source, "plugin.py", "exec")  # blocks
                    return len(code.co_consts)
                """
            ),
        ),
    ),
    Rule(
        name="load",
        to="process",
        blockers=KEEPS_GIL,
        calls=r"(c?[pP]ickle|_pickle|marshal|json|orjson|ujson|rapidjson|simplejson|msgpack|msgspec"
        r"|cbor2?|tomllib|plistlib|bson|dill|joblib|cloudpickle)\b.*\.?(load|loads|decode|unpackb|"
        r"unpack|read)|(xml|lxml|defusedxml)\..*(fromstring|parse|XML|HTML|iterparse|"
        r"parseString|fromstringlist)|ast\.parse|.*\bET\.\w+|.*\.(model_)?validate_(json|python|strings)|.*\.model_validate",
        result="large",
        why="{call} makes many objects, and to send them back from a process takes about as long.",
        how="{code}: what is made stays there, and only the small result travels.",
        instead="have a process do this together with what is done with its result, in one "
        "function for `fournil.to_process` that returns only what comes of it.",
        tried=(
            Trial(
                """\
                import asyncio, pickle

                blob = pickle.dumps([{"i": i, "text": str(i), "list": [i]} for i in range(150_000)])

                async def main():
                    return len(pickle.loads(blob))  # blocks
                """
            ),
            Trial(
                """\
                import asyncio, json

                text = json.dumps([{"i": i, "text": str(i), "list": [i]} for i in range(200_000)])

                async def main():
                    rows = json.loads(text)  # blocks
                    return sum(row["i"] for row in rows)
                """,
                """\
                import asyncio, json, fournil

                text = json.dumps([{"i": i, "text": str(i), "list": [i]} for i in range(200_000)])

                def total(text):
                    rows = json.loads(text)
                    return sum(row["i"] for row in rows)

                async def main():
                    return await fournil.to_process(total, text)
                """,
            ),
            Trial(
                """\
                import asyncio, xml.etree.ElementTree as ET

                text = "<r>" + "".join(f"<x a='{i}'>{i}</x>" for i in range(150_000)) + "</r>"

                async def main():
                    return len(ET.fromstring(text))  # blocks
                """
            ),
        ),
    ),
    Rule(
        name="dump",
        to="process",
        blockers=KEEPS_GIL,
        calls=r"(c?[pP]ickle|_pickle|marshal|json|orjson|ujson|rapidjson|simplejson|msgpack|msgspec"
        r"|cbor2?|plistlib|bson|dill|joblib|cloudpickle)\b.*\.?(dump|dumps|encode|packb|pack)|"
        r"copy\.(deep)?copy|.*\.(model_dump(_json)?|tostring)",
        costly=True,
        why="To send {first} to a process, it is pickled here, which takes about as long as "
        "{call}.",
        how="{code}: what is dumped is made there too.",
        instead="have the process that makes it do this as well, or do it here in pieces, with "
        "`await asyncio.sleep(0)` between them.",
        tried=(
            Trial(
                """\
                import asyncio, pickle

                rows = [{"i": i, "text": str(i), "list": [i] * 3} for i in range(200_000)]

                async def main():
                    blob = pickle.dumps(rows)  # blocks
                    return len(pickle.loads(blob)) if False else bool(blob)
                """,
                """\
                import asyncio, pickle

                rows = [{"i": i, "text": str(i), "list": [i] * 3} for i in range(200_000)]

                async def main():
                    pieces = []
                    for begin in range(0, len(rows), 10_000):
                        pieces.append(pickle.dumps(rows[begin : begin + 10_000]))
                        await asyncio.sleep(0)
                    return bool(b"".join(pieces))
                """,
            ),
            Trial(
                """\
                import asyncio, json

                async def main():
                    return len(json.dumps([1.25, 2.5] * 200_000))  # blocks
                """
            ),
        ),
    ),
    Rule(
        name="sort of objects",
        to="process",
        blockers=KEEPS_GIL,
        calls=r"sorted|min|max|(.*\.)?\w+(\(\))?\.sort|heapq\.\w+|bisect\.\w+",
        called=r"__(lt|le|gt|ge|eq|ne)__",
        changes=True,
        why="It compares objects by a method in Python, and to send so many to a process takes "
        "about as long:",
        instead="give a key of plain values, as `key=lambda item: (item.rank, item.name)`, which "
        "is asked once for each, or sort them in the process that makes them.",
        tried=(
            Trial(
                """\
                import asyncio, functools

                @functools.total_ordering
                class Version:
                    def __init__(self, text):
                        self.text = text

                    def __eq__(self, other):
                        return self.text == other.text

                    def __lt__(self, other):
                        return int(self.text[1:]) < int(other.text[1:])

                versions = [Version(f"v{i * 7919 % 30_011}") for i in range(20_000)]

                async def main():
                    return sorted(versions)[0].text  # blocks
                """,
                """\
                import asyncio

                class Version:
                    def __init__(self, text):
                        self.text = text

                versions = [Version(f"v{i * 7919 % 30_011}") for i in range(20_000)]

                async def main():
                    return sorted(versions, key=lambda version: int(version.text[1:]))[0].text
                """,
            ),
        ),
    ),
    Rule(
        name="sort in place",
        to="process",
        blockers=KEEPS_GIL,
        calls=r"(?!numpy|pandas)(.*\.)?\w+(\(\))?\.sort",
        changes=True,
        why="It sorts a list of this process, and a process sorts a copy:",
        how="{code}, as long as nobody else changes the list meanwhile, and it holds plain values: "
        "objects take about as long to be sent.",
        instead="`items[:] = await fournil.to_process(sorted, items)` puts the result in its "
        "place, as long as nobody else changes the list meanwhile.",
        template="{object}[:] = await fournil.to_process(sorted, {object}{more})",
        tried=(
            Trial(
                """\
                import asyncio, random

                numbers = [random.Random(i).random() for i in range(200_000)] * 3

                async def main():
                    numbers.sort()  # blocks
                    return numbers[:3]
                """
            ),
        ),
    ),
    Rule(
        name="shuffle",
        to="process",
        blockers=KEEPS_GIL,
        calls=r"random\.shuffle",
        changes=True,
        why="It shuffles a list of this process, and a process shuffles a copy:",
        how="{code}, as long as nobody else changes the list meanwhile.",
        template="{first}[:] = await fournil.to_process({work}, {first})",
        define="def {work}(items):\n    {call}(items)\n    return items",
        instead="have a function for `fournil.to_process` shuffle and return it, and put that in "
        "its place, `items[:] = ...`.",
        tried=(
            Trial(
                """\
                import asyncio, random

                numbers = list(range(250_000))

                async def main():
                    random.shuffle(numbers)  # blocks
                    return len(set(numbers)), numbers != sorted(numbers)
                """
            ),
        ),
    ),
    Rule(
        name="in place",
        to="code",
        blockers=KEEPS_GIL,
        calls=r"heapq\.(heapify|heap\w+)|bisect\.insort\w*|(list|dict|set|bytearray|"
        r"collections\.\w+\(\))\.(clear|update|extend|reverse|remove|insert|pop|\w+_update)|"
        r"(\w+\.)*\w+\.(clear|update|extend|reverse)",
        changes=True,
        why="{call} changes an object of this process, and to send that to another and back "
        "takes about as long:",
        instead="do it in pieces, with `await asyncio.sleep(0)` between them, or as the object "
        "grows.",
        tried=(
            Trial(
                """\
                import asyncio, heapq

                numbers = [i * 7919 % 3_000_017 for i in range(3_000_000)]

                async def main():
                    heap = numbers[:1_500_000]
                    await asyncio.sleep(0)
                    heapq.heapify(numbers)  # blocks
                    return numbers[0]
                """,
                """\
                import asyncio, heapq

                numbers = [i * 7919 % 3_000_017 for i in range(3_000_000)]

                async def main():
                    heap = []
                    for begin in range(0, 30_000, 10_000):
                        for number in numbers[begin : begin + 10_000]:
                            heapq.heappush(heap, number)
                        await asyncio.sleep(0)
                    return heap[0]
                """,
            ),
        ),
    ),
    Rule(
        name="match",
        to="process",
        blockers=KEEPS_GIL,
        calls=r"(re|regex)\.(search|match|fullmatch)|(re|regex)\.compile\(\)\.(search|match|"
        r"fullmatch)|[\w.]+\.(search|match|fullmatch)",
        inside=r"(re|regex)\b.*:(search|match|fullmatch)",
        result="stays",
        returned="found and (found[0], *found.groups())",
        why="A regex keeps the GIL until its search ends, and a match cannot be sent:",
        how=f"{{code}} returns what is needed of it. {NESTED}",
        instead=f"have a function for `fournil.to_process` search and return what is needed, as "
        f"`match.groups()`. {NESTED}",
        tried=(
            Trial(
                """\
                import asyncio, re

                NAME = re.compile(r"^(\\w+\\s?)*$")

                async def main():
                    found = NAME.match("a" * 21 + "!")  # blocks
                    return found is None
                """
            ),
            Trial(
                """\
                import asyncio, re

                text = "x" * 4_000 + "b" * 3

                async def main():
                    found = re.search(r"(x+)+y|(b+)", text[-25:-3] + "bbb")  # blocks
                    return found is not None
                """
            ),
        ),
    ),
    Rule(
        name="comprehension",
        to="process",
        blockers=KEEPS_GIL,
        situation="comprehension",
        result="large",
        why="It makes many small objects, and to send them back from a process takes about as "
        "long.",
        how="{code}: what is made stays there, and only the small result travels.",
        instead="have a process do this together with what is done with its result, in one "
        "function for `fournil.to_process` that returns only what comes of it.",
        tried=(
            Trial(
                """\
                import asyncio

                async def main():
                    rows = range(500_000)
                    return len({f"n{i}": i * i % 7 for i in rows})  # blocks
                """
            ),
            Trial(
                """\
                import asyncio

                async def main():
                    names = [f"name {i}" for i in range(800_000)]  # blocks
                    return len(names)
                """,
                """\
                import asyncio, fournil

                def work():
                    names = [f"name {i}" for i in range(800_000)]
                    return len(names)

                async def main():
                    return await fournil.to_process(work)
                """,
            ),
        ),
    ),
    Rule(
        name="objects in arrays",
        to="process",
        blockers=(NATIVE_GIL,),
        calls=r"(numpy|pandas|polars)\..*(?<!\.tolist)(?<!\.item)",
        inside=r"(numpy|pandas)\b.*:.*",
        result="large",
        costly=True,
        why="It kept the GIL, as numpy and pandas mostly do where items are Python's objects "
        "(dtype `object`, texts): those take as long to be sent to a process.",
        how="{code}.",
        instead="with numbers or categories a thread is enough; else have the process that reads "
        "or makes the data do this too.",
        tried=(
            Trial(
                """\
                import asyncio, numpy

                values = numpy.array([i * 7919 % 300_007 for i in range(300_000)], dtype=object)

                async def main():
                    return numpy.sort(values)[:3].tolist()  # blocks
                """,
                """\
                import asyncio, numpy

                values = numpy.array([i * 7919 % 300_007 for i in range(300_000)])

                async def main():
                    return (await asyncio.to_thread(numpy.sort, values))[:3].tolist()
                """,
            ),
        ),
    ),
    Rule(
        name="matches",
        to="process",
        blockers=KEEPS_GIL,
        calls=r"(re|regex)\.finditer|[\w.()]+\.finditer",
        inside=r"(re|regex)\b.*:finditer",
        result="stays",
        why="A regex keeps the GIL until its search ends, and matches cannot be sent.",
        how=f"{{code}}. {NESTED}",
        instead=f"have a function for `fournil.to_process` go through them, and return what is "
        f"needed. {NESTED}",
    ),
    Rule(
        name="ctypes",
        to="process",
        blockers=(WAITING, NATIVE_GIL),
        calls=r"ctypes\.(PyDLL\(\)|pythonapi|pydll\b).*",
        why="`ctypes.PyDLL` keeps the GIL during its calls; of `ctypes.CDLL`, which lets it go, a "
        "thread is enough. As it is, the library is loaded where it is called:",
        how="{code}.",
        instead="have a function for `fournil.to_process` load it and call it.",
        tried=(
            Trial(
                """\
                import asyncio, ctypes

                libc = ctypes.PyDLL(None)

                async def main():
                    return libc.usleep(200_000)  # blocks
                """
            ),
        ),
    ),
    Rule(
        name="eval",
        to="process",
        blockers=KEEPS_GIL,
        calls=r"eval",
        why="What `eval` runs keeps the GIL:",
        how="{code}; what its text names is given along in the dictionary.",
        instead="have a function for `fournil.to_process` call it, with all that its text names.",
        template="await fournil.to_process(eval, {first}, {{}})",
        tried=(
            Trial(
                """\
                import asyncio

                formula = "sum(x * 3 % 7 for x in range(2_500_000))"

                async def main():
                    return eval(formula)  # blocks
                """
            ),
        ),
    ),
)
