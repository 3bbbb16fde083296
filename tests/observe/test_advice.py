"""Advice: which rule applies to which stack and line, what it says, and what it would gain."""

from __future__ import annotations

import pickle
import re
import string
from collections.abc import Sequence

import pytest

from fournil.evidence.classify import Blocker
from fournil.evidence.stacks import Frame
from fournil.observe.advice.advisor import Advisor
from fournil.observe.advice.context import look_at
from fournil.observe.advice.program import Sources
from fournil.observe.advice.rules import RULES
from fournil.observe.advice.rules.rule import Rule
from fournil.observe.advice.sentence import say
from fournil.observe.recording.blocked import group as group_blocked
from fournil.observe.recording.live import snapshot
from fournil.observe.recording.model import BlockedGroup, BlockedStep
from fournil.observe.recording.reading import read_buffer
from fournil.record.kinds import Kind
from tests.observe.builder import (
    APP,
    HELD,
    PACKAGES,
    PROJECT,
    STDLIB,
    Builder,
    Frames,
)
from tests.observe.samples import empty, texts

WAITING, PYTHON, NATIVE, NATIVE_GIL, GC, STARVED = Blocker

LIBRARY = {
    "requests": [
        (f"{STDLIB}/socket.py", 705, "readinto"),
        (f"{PACKAGES}/urllib3/connectionpool.py", 789, "urlopen"),
        (f"{PACKAGES}/requests/sessions.py", 589, "Session.request"),
        (f"{PACKAGES}/requests/api.py", 73, "get"),
    ],
    "httpx": [(f"{PACKAGES}/httpx/_client.py", 914, "send")],
    "urllib": [(f"{STDLIB}/urllib/request.py", 216, "urlopen")],
    "subprocess": [(f"{STDLIB}/subprocess.py", 1200, "communicate")],
    "future": [
        (f"{STDLIB}/threading.py", 320, "wait"),
        (f"{STDLIB}/concurrent/futures/_base.py", 451, "result"),
    ],
    "queue": [(f"{STDLIB}/threading.py", 320, "wait"), (f"{STDLIB}/queue.py", 171, "get")],
    "join": [
        (f"{STDLIB}/threading.py", 1132, "_wait_for_tstate_lock"),
        (f"{STDLIB}/threading.py", 1112, "join"),
    ],
    "event": [(f"{STDLIB}/threading.py", 320, "Condition.wait")],
    "dns": [(f"{STDLIB}/socket.py", 962, "getaddrinfo")],
    "connect": [(f"{STDLIB}/socket.py", 836, "create_connection")],
    "pool": [(f"{STDLIB}/multiprocessing/pool.py", 768, "get")],
    "logging": [(f"{STDLIB}/logging/__init__.py", 1087, "flush")],
    "shutil": [(f"{STDLIB}/shutil.py", 260, "copyfile")],
    "sqlalchemy": [(f"{PACKAGES}/sqlalchemy/engine/base.py", 1, "execute")],
    "pymysql": [(f"{PACKAGES}/pymysql/cursors.py", 1, "execute")],
    "redis": [(f"{PACKAGES}/redis/client.py", 1, "get")],
    "re": [(f"{STDLIB}/re/__init__.py", 166, "match")],
    "json": [(f"{STDLIB}/json/__init__.py", 231, "dumps")],
    "import": [("<frozen importlib._bootstrap>", 241, "_call_with_frames_removed")],
    "": [],
}  # fmt: skip


def group_of(
    blocker: Blocker | None,
    frames: Frames,
    *,
    kind: Kind = Kind.TASK,
    own: int = 0,
    gil_wait_s: float = 0.0,
) -> BlockedGroup:
    """Return a group of one step; `own` is the place of the culprit in its frames."""
    stack = tuple(Frame(*frame) for frame in frames)
    step = BlockedStep(
        thread=0,
        begin_ticks=1,
        subject=1,
        kind=kind,
        begin_s=1.0,
        duration_s=0.3,
        delay_s=0.0,
        ended=True,
        blocker=blocker,
        frames=stack,
        culprit=stack[own] if stack else Frame(APP, 1, "f"),
        lines={},
        gil_wait_s=gil_wait_s,
    )
    return BlockedGroup(blocker, step.culprit, (step,))


def seen(
    blocker: Blocker,
    library: str,
    line: str,
    *,
    kind: Kind = Kind.TASK,
) -> tuple[str, str]:
    """Return where to and what to do about one line of a coroutine."""
    frames = [*LIBRARY[library], (APP, 2, "handle")]
    group = group_of(blocker, frames, kind=kind, own=len(frames) - 1)
    head = "def" if kind != Kind.TASK else "async def"
    source = Sources(texts({APP: f"{head} handle():\n    {line}"}))
    context = look_at(group, empty(), source)
    assert context
    said = say(context)
    return said.rule.to, said.text


CASES = [
    (WAITING, "", "time.sleep(0.3)", "await", "`await asyncio.sleep(0.3)`"),
    (WAITING, "", "sleep(0.3)", "await", "`await asyncio.sleep(0.3)`"),
    (
        WAITING,
        "requests",
        "r = requests.get(url)",
        "thread",
        "asyncio.to_thread(requests.get, url)",
    ),
    (WAITING, "requests", "r = session.get(url)", "thread", "`httpx.AsyncClient`, `aiohttp`"),
    (WAITING, "httpx", "r = client.get(url)", "thread", "`httpx.AsyncClient` in place of"),
    (
        WAITING,
        "urllib",
        "urlopen(url).read()",
        "thread",
        "asyncio.to_thread(lambda: urlopen(url).read())",
    ),
    (WAITING, "subprocess", "subprocess.run(['ls'])", "thread", "create_subprocess_exec"),
    (WAITING, "", "os.system('ls')", "thread", "create_subprocess_exec"),
    (WAITING, "future", "x = future.result()", "await", "asyncio.wrap_future(future)"),
    (WAITING, "queue", "item = jobs.get()", "thread", "`asyncio.Queue`"),
    (WAITING, "", "item = simple_queue.get()", "thread", "to_thread(simple_queue.get)"),
    (WAITING, "join", "worker.join()", "thread", "to_thread(worker.join)"),
    (WAITING, "event", "ready.wait()", "thread", "`asyncio.Event`"),
    (WAITING, "", "with stock_lock: pass", "thread", "`asyncio.Lock`"),
    (WAITING, "", "lock.acquire()", "thread", "`asyncio.Lock`"),
    (WAITING, "dns", "socket.getaddrinfo(h, 80)", "await", "get_running_loop().getaddrinfo(h, 80)"),
    (WAITING, "", "data = conn.recv(10)", "thread", "loop.sock_recv"),
    (WAITING, "connect", "socket.create_connection(a)", "thread", "asyncio.open_connection"),
    (WAITING, "pool", "pool.map(f, items)", "thread", "to_thread(pool.map, f, items)"),
    (WAITING, "", "cursor.execute(query)", "thread", "to_thread(cursor.execute, query)"),
    (WAITING, "pymysql", "run(query)", "thread", "A database is waited for"),
    (WAITING, "sqlalchemy", "c.execute(q)", "thread", "create_async_engine"),
    (WAITING, "redis", "r.get(key)", "thread", "`redis.asyncio`"),
    (WAITING, "", "os.fsync(file)", "thread", "to_thread(os.fsync, file)"),
    (WAITING, "", "text = open(path).read()", "thread", "Files have no async form"),
    (WAITING, "shutil", "shutil.copyfile(a, b)", "thread", "to_thread(shutil.copyfile, a, b)"),
    (WAITING, "logging", "log.info(x)", "code", "QueueListener"),
    (WAITING, "", "name = input('? ')", "thread", "to_thread(input, '? ')"),
    (WAITING, "", "device.measure()", "thread", "to_thread(device.measure)"),
    (WAITING, "", "", "thread", "in a function of its own"),
    (NATIVE, "", "m = matrix.mean()", "thread", "to_thread(matrix.mean)"),
    (NATIVE, "", "hashlib.sha256(data)", "thread", "to_thread(hashlib.sha256, data)"),
    (NATIVE, "", "print(len(zlib.compress(x)))", "thread", "to_thread(zlib.compress, x)"),
    (NATIVE_GIL, "re", "re.match(p, text)", "process", "nested repeats"),
    (NATIVE_GIL, "re", "m = re.match(p, text)", "process", "returns what is needed of it"),
    (NATIVE_GIL, "", "PATTERN.search(text)", "process", "to_process(work, PATTERN, text)"),
    (NATIVE_GIL, "", "all = re.finditer(p, text)", "process", "matches cannot be sent"),
    (
        NATIVE_GIL,
        "",
        "words = PATTERN.findall(text)",
        "process",
        "to_process(PATTERN.findall, text)",
    ),
    (NATIVE_GIL, "", "text = re.sub(p, '', text)", "process", "to_process(re.sub, p, '', text)"),
    (NATIVE_GIL, "", "x = sorted(data)", "process", "sort smaller pieces"),
    (NATIVE_GIL, "", "data.sort()", "process", "data[:] = await fournil.to_process(sorted, data)"),
    (
        NATIVE_GIL,
        "json",
        "json.dumps(orders)",
        "process",
        "To send `orders` to a process, it is pickled",
    ),
    (NATIVE_GIL, "", "pickle.dumps(orders)", "process", "do it here in pieces"),
    (NATIVE_GIL, "", "zlib.compress(json.dumps(x))", "process", "as long as `json.dumps`"),
    (NATIVE_GIL, "json", "zlib.compress(json.dumps(x))", "process", "as long as `json.dumps`"),
    (
        NATIVE,
        "",
        "zlib.compress(json.dumps(x))",
        "thread",
        "to_thread(lambda: zlib.compress(json.dumps(x)))",
    ),
    (NATIVE_GIL, "", "n = 7 ** huge", "process", "a thread would not help"),
    (PYTHON, "", "for i in range(n): s += i", "process", "function of its own"),
    (PYTHON, "import", "import pandas", "code", "at the top of the module"),
]


class TestRules:
    @pytest.mark.parametrize(("blocker", "library", "line", "to", "text"), CASES)
    def test_line(self, blocker: Blocker, library: str, line: str, to: str, text: str) -> None:
        got_to, got = seen(blocker, library, line)
        assert text in got
        assert got_to == to

    def test_asyncio_sleep_is_not_time_sleep(self) -> None:
        assert "time.sleep" not in seen(WAITING, "", "await asyncio.sleep(3)")[1]

    @pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
    def test_every_sentence_can_be_written(self, rule: Rule) -> None:
        for text in (rule.why, rule.how, rule.instead):
            names = {name for _, name, _, _ in string.Formatter().parse(text) if name}
            assert names <= {"call", "first", "function", "code", "holder", "inside"}
            assert not text or text.endswith((".", ":"))
        assert re.compile(rule.calls)
        assert re.compile(rule.inside)
        assert not (rule.template and rule.to == "code")

    def test_names_of_rules_are_their_own(self) -> None:
        assert len({rule.name for rule in RULES}) == len(RULES)

    @pytest.mark.parametrize("blocker", list(Blocker))
    def test_every_class_has_a_last_rule(self, blocker: Blocker) -> None:
        last = [
            rule
            for rule in RULES
            if blocker in rule.blockers
            and not (rule.calls or rule.inside or rule.gil)
            and not (rule.situation or rule.around)
        ]
        assert len(last) == 1

    def test_a_function_that_returns_a_match_is_not_moved(self) -> None:
        frames = [(f"{STDLIB}/re/__init__.py", 166, "match"), (APP, 2, "find"), (APP, 5, "handle")]
        source = texts({APP: "def find(text):\n    return P.match(text)\n\n\nm = find(t)\n"})
        advice = Advisor(empty(), source).advise(group_of(NATIVE_GIL, frames, own=1))
        assert advice is not None
        assert advice.edits == ()
        assert "search and return what is needed" in advice.text

    def test_matches_cannot_be_sent_and_what_the_other_calls_return_can(self) -> None:
        with pytest.raises(TypeError, match="cannot pickle"):
            pickle.dumps(re.match("a", "a"))
        with pytest.raises(TypeError, match="cannot pickle"):
            pickle.dumps(re.finditer("a", "a"))
        findall = pickle.loads(pickle.dumps(re.compile("a").findall))
        assert pickle.loads(pickle.dumps(findall("aba"))) == ["a", "a"]

    def test_a_callback_starts_a_task(self) -> None:
        to, text = seen(NATIVE, "", "matrix.mean()", kind=Kind.READER)
        assert to == "thread"
        assert "`await asyncio.to_thread(matrix.mean)`" in text
        assert "`handle` is a callback and cannot await: let it start a task" in text

    def test_nothing_seen_nothing_said(self) -> None:
        assert Advisor(empty()).advise(group_of(None, [(APP, 2, "handle")])) is None


PROGRAM = """\
import time

def count(n):
    total = 0
    for i in range(n):
        total += i
    return total

def fetch(url):
    return requests.get(url)

async def inner():
    data = fetch("http://x/y(z)")

async def handle():
    total = count(10**7)
    await inner()
    squares = [i * i for i in range(10**7)]

def on_timer():
    count(10**7)

def generator():
    yield count(3)
"""


class TestWhereToAwait:
    """The call to send elsewhere is the one that a coroutine makes."""

    source = Sources(texts({APP: PROGRAM}))

    def call(
        self, blocker: Blocker, frames: Frames, *, kind: Kind = Kind.TASK, own: int = 0
    ) -> str:
        context = look_at(group_of(blocker, frames, kind=kind, own=own), empty(), self.source)
        assert context
        found = context.place.work.expression
        module = context.place.module
        return module.source(found) if module and found else context.place.called

    def test_a_function_that_a_coroutine_calls(self) -> None:
        assert self.call(PYTHON, [(APP, 5, "count"), (APP, 16, "handle")]) == "count(10**7)"

    def test_a_blocking_call_inside_a_function(self) -> None:
        frames = [*LIBRARY["requests"], (APP, 10, "fetch"), (APP, 13, "inner"), (APP, 17, "handle")]
        own = len(LIBRARY["requests"])
        assert self.call(WAITING, frames, own=own) == 'fetch("http://x/y(z)")'

    def test_python_code_in_the_coroutine_itself(self) -> None:
        assert self.call(PYTHON, [(APP, 5, "count")]) == ""

    def test_a_comprehension_in_the_coroutine_itself(self) -> None:
        frames = [(APP, 18, "handle.<locals>.<listcomp>"), (APP, 18, "handle")]
        assert self.call(PYTHON, frames) == "[i * i for i in range(10**7)]"

    def test_a_callback(self) -> None:
        frames = [(APP, 5, "count"), (APP, 21, "on_timer")]
        assert self.call(PYTHON, frames, kind=Kind.TIMER) == "count(10**7)"

    def test_top_level_await(self) -> None:
        source = Sources(texts({APP: "matrix.mean()"}))
        context = look_at(group_of(NATIVE, [(APP, 1, "<module>")]), empty(), source)
        assert context
        assert "await asyncio.to_thread(matrix.mean)" in say(context).text

    def test_without_a_source(self) -> None:
        frames = [(f"{PROJECT}/gone.py", 5, "count"), (f"{PROJECT}/gone.py", 16, "handle")]
        assert self.call(PYTHON, frames) == "count"

    def test_names_that_are_no_code(self) -> None:
        odd = [(APP, 0, "a(b"), (APP, 99, "x.y z"), ("", -1, "")]
        for blocker in Blocker:
            self.call(blocker, odd)
            self.call(blocker, [])


class TestGil:
    def test_the_other_thread_is_named(self) -> None:
        builder = Builder()
        for number in (1, 2):
            builder.loop(number=number, name=f"worker-{number}", ran=5.0)
        site = builder.site("handle")
        first, second = builder.task(site), builder.task(site)
        builder.blocked(1.0, 1.5, first, thread=0)
        builder.look(1.0, 1.4, 1.0, HELD, [(APP, 30, "grind")], thread=0, ask=1)
        builder.answer(1, 0.001, thread=0)
        builder.blocked(1.0, 1.5, second, thread=1)
        builder.look(1.0, 1.45, 1.0, 4, [(APP, 7, "handle")], thread=1)
        recording = snapshot(read_buffer(builder.build()))
        waited = next(g for g in group_blocked(recording.blocked) if g.waited_for_gil)
        got = Advisor(recording).advise(waited)
        assert got
        assert got.to == "process"
        assert "thread 'worker-1' (grind, line 30)" in got.text

    def test_a_thread_without_a_loop_has_no_name(self) -> None:
        group = group_of(WAITING, [(APP, 7, "handle")], gil_wait_s=0.3)
        got = Advisor(empty()).advise(group)
        assert got
        assert "which another thread held" in got.text


def test_modules_are_named_as_they_are_imported() -> None:
    frames: Sequence[tuple[str, int, str]] = [
        (f"{PACKAGES}/yaml/__init__.py", 1, "load"),
        (f"{STDLIB}/email/message.py", 2, "as_string"),
        (APP, 2, "handle"),
    ]
    context = look_at(
        group_of(PYTHON, frames, own=2),
        empty(),
        Sources(texts({APP: "async def handle():\n    time.sleep(0.3)"})),
    )
    assert context
    assert context.inside == (("email.message", "as_string"), ("yaml", "load"))
