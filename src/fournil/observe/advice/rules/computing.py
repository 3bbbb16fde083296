"""What uses the CPU: with the GIL held, only another process helps."""

from fournil.observe.advice.rules.rule import (
    KEEPS_GIL,
    NATIVE,
    NATIVE_GIL,
    PYTHON,
    Rule,
    Trial,
)
from fournil.observe.advice.rules.sending import NESTED

RULES = (
    Rule(
        name="linear algebra",
        to="thread",
        blockers=(NATIVE,),
        calls=r"(numpy|scipy|torch|tensorflow|jax)\..*(linalg\..*|dot|matmul|einsum|tensordot|"
        r"inner|vdot|svd|fft)|.*\.__matmul__",
        all_cores=True,
        why="{call} runs in C, lets the GIL go, and may use all cores by itself:",
        how="{code} leaves the loop free meanwhile.",
        tried=(
            Trial(
                """\
                import asyncio, numpy

                matrix = numpy.random.default_rng(1).random((700, 700))

                async def main():
                    return round(float(numpy.linalg.svd(matrix)[1][0]), 3)  # blocks
                """
            ),
        ),
    ),
    Rule(
        name="native",
        to="thread",
        blockers=(NATIVE,),
        why="{call} runs in C and lets the GIL go:",
        how="{code} has it run on another core.",
        tried=(
            Trial(
                """\
                import asyncio, hashlib

                data = b"x" * 300_000_000

                async def main():
                    return hashlib.sha256(data).hexdigest()  # blocks
                """
            ),
            Trial(
                """\
                import asyncio, zlib

                data = bytes(range(256)) * 160_000

                async def main():
                    print(len(zlib.compress(data, 9)))  # blocks
                """
            ),
            Trial(
                """\
                import asyncio, numpy

                values = numpy.random.default_rng(1).random(3_000_000)

                async def main():
                    return round(float(numpy.sort(values)[0]), 3)  # blocks
                """
            ),
            Trial(
                """\
                import asyncio, hashlib

                data = [b"x" * 20_000_000] * 6

                async def main():
                    digests = []
                    for piece in data:
                        digests.append(hashlib.sha256(piece).hexdigest())  # blocks
                    return digests
                """
            ),
        ),
    ),
    Rule(
        name="regex",
        to="process",
        blockers=KEEPS_GIL,
        calls=r"(re|regex)\.\w+|(re|regex)\.compile\(\)\.\w+|[\w.]+\.(findall|sub|subn)",
        inside=r"(re|regex)\b.*:.*",
        result="wide",
        why="A regex keeps the GIL until its search ends:",
        how=f"{{code}}. {NESTED}",
        instead=f"put it in a function for `await fournil.to_process(...)`. {NESTED}",
        tried=(
            Trial(
                """\
                import asyncio, re

                text = "a1 bb22 " * 300_000

                async def main():
                    return len(re.findall(r"[a-z]+\\d|\\w+", text))  # blocks
                """
            ),
        ),
    ),
    Rule(
        name="sorted",
        to="process",
        blockers=KEEPS_GIL,
        calls=r"sorted",
        result="wide",
        why="Sorting keeps the GIL until it ends:",
        how="{code}, or sort smaller pieces.",
        instead="put it in a function for `await fournil.to_process(...)`, or sort smaller pieces.",
        tried=(
            Trial(
                """\
                import asyncio, random

                numbers = [random.Random(i).random() for i in range(100_000)] * 10

                async def main():
                    return sorted(numbers, reverse=True)[:3]  # blocks
                """
            ),
        ),
    ),
    Rule(
        name="one pass",
        to="process",
        blockers=(NATIVE_GIL,),
        calls=r"sum|min|max|any|all|list|tuple|set|frozenset|dict|(collections\.)?(Counter|deque)|"
        r"math\.(fsum|prod)|str\.join|bytes\.join",
        costly=True,
        why="{call} goes through {first} once, and to send that to a process takes about as long.",
        how="{code}: what it goes through is made there too.",
        instead="have the process that makes it do this as well, or do it here in pieces, with "
        "`await asyncio.sleep(0)` between them.",
        tried=(
            Trial(
                """\
                import asyncio

                async def main():
                    return sum(map(len, map(str, range(1_500_000))))  # blocks
                """
            ),
            Trial(
                """\
                import asyncio, collections

                words = ["bread", "cake", "tart", "bun"] * 1_500_000

                async def main():
                    return collections.Counter(words).most_common(1)  # blocks
                """,
                """\
                import asyncio, collections

                words = ["bread", "cake", "tart", "bun"] * 1_500_000

                async def main():
                    counts = collections.Counter()
                    for begin in range(0, len(words), 50_000):
                        counts.update(words[begin : begin + 50_000])
                        await asyncio.sleep(0)
                    return counts.most_common(1)
                """,
            ),
        ),
    ),
    Rule(
        name="native-gil",
        to="process",
        blockers=(NATIVE_GIL,),
        why="{call} keeps the GIL until it ends, so a thread would not help:",
        how="{code}.",
        tried=(
            Trial(
                """\
                import asyncio

                async def main():
                    huge = 7 ** 300_000
                    await asyncio.sleep(0)
                    digits = huge * huge % (huge - 12345)  # blocks
                    return digits % 1_000_003
                """
            ),
            Trial(
                """\
                import asyncio, math

                async def handle(n): return math.factorial(n) % 1_000_003  # blocks

                async def main():
                    return await handle(60_000)
                """
            ),
            Trial(
                """\
                import asyncio, math

                class Reader(asyncio.Protocol):
                    def __init__(self, done):
                        self.done = done

                    def connection_made(self, transport):
                        self.transport = transport

                    def data_received(self, data):
                        total = math.factorial(60_000) % 1_000_003  # blocks
                        self.transport.write(b"%d" % total)
                        self.transport.close()

                async def main():
                    loop = asyncio.get_running_loop()
                    server = await loop.create_server(lambda: Reader(None), "127.0.0.1", 0)
                    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
                    writer.write(b"x")
                    found = await reader.read()
                    writer.close()
                    server.close()
                    return found
                """
            ),
        ),
    ),
    Rule(
        name="python",
        to="process",
        blockers=(PYTHON,),
        why="Python code keeps the GIL, so a thread would not help:",
        how="{code}.",
        tried=(
            Trial(
                """\
                import asyncio

                def price(n):
                    total = 0
                    for i in range(n):
                        total += i * i % 7
                    return total

                async def main():
                    return price(2_500_000)  # blocks
                """
            ),
            Trial(
                """\
                import asyncio

                async def main():
                    total = 0
                    for i in range(2_500_000):
                        total += i * i % 7  # blocks
                    return total
                """
            ),
            Trial(
                """\
                import asyncio

                async def main():
                    n = 2_000
                    return [sum(range(i)) for i in range(n, 3 * n)][-1]  # blocks
                """
            ),
            Trial(
                """\
                import asyncio, csv, io

                text = "\\n".join(f"{i},{i * 3},name {i}" for i in range(400_000))

                async def main():
                    return sum(len(row) for row in csv.reader(io.StringIO(text)))  # blocks
                """
            ),
            Trial(
                """\
                import asyncio, heapq

                numbers = range(1_500_000)

                async def main():
                    return heapq.nsmallest(5, numbers, key=lambda n: (n - 0.5) ** 2)  # blocks
                """
            ),
            Trial(
                """\
                import asyncio

                def primes(n):
                    for number in range(2, n):
                        if all(number % i for i in range(2, int(number**0.5) + 1)):
                            yield number

                async def main():
                    return len(list(primes(60_000)))  # blocks
                """
            ),
            Trial(
                """\
                import asyncio

                class Basket:
                    def __init__(self, size):
                        self.size = size

                    @property
                    def total(self):
                        return sum(i * i % 7 for i in range(self.size))

                async def main():
                    basket = Basket(2_500_000)
                    return basket.total + 1  # blocks
                """
            ),
            Trial(
                """\
                import asyncio

                def price(n):
                    return sum(i * i % 7 for i in range(n))

                async def main():
                    loop, done = asyncio.get_running_loop(), asyncio.Event()
                    found = []

                    def ring():
                        found.append(price(2_500_000))  # blocks
                        done.set()

                    loop.call_later(0.01, ring)
                    await done.wait()
                    return found
                """
            ),
        ),
    ),
)
