"""What to do against each sort of blocked step: one table of checks and sentences.

A sentence says what to write. Its places are filled with the call to move, as it stands in
the program: `{call}` is the call alone, `{thread}` and `{process}` send it there, in a task
with `await`, and without in a callback, which cannot wait.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from fournil.evidence.classify import Blocker
from fournil.observe.advice.scene import Scene

WAITING, PYTHON = Blocker.WAITING, Blocker.PYTHON
NATIVE, NATIVE_GIL = Blocker.NATIVE, Blocker.NATIVE_GIL

THREAD = "`await asyncio.to_thread({call}, ...)`"
PROCESS = "`await fournil.to_process({call}, ...)`"
CALLBACK_THREAD = "`loop.run_in_executor(None, {call}, ...)`"
CALLBACK_PROCESS = "`fournil.to_process({call}, ...)`"

NESTED = (
    "A pattern of nested repeats, as `(a+)+`, takes twice as long with each character: write it "
    "without."
)

UNNAMED = "function"
"""Stands for the call where the source does not show it."""


class Rule(NamedTuple):
    """One check and its sentence. It applies where the classes and one of the rest match."""

    blockers: tuple[Blocker, ...]
    to: str  # "thread", "process", or "await"
    text: str
    modules: tuple[str, ...] = ()  # a library's frame inside the user's line
    functions: tuple[str, ...] = ()  # of these modules, where not all of them count
    source: str = ""  # pattern of the user's line
    call: str = ""  # what to send elsewhere in place of what the line calls
    stand_in: str = ""  # what to send where the line calls what `source` matches
    gil: bool = False  # another thread held the GIL


RULES = (
    Rule(
        (WAITING,),
        "process",
        "It waited for the GIL, which {holder} held: move that work to a process, as "
        "`fournil.to_process` does.",
        gil=True,
    ),
    Rule(
        tuple(Blocker),
        "thread",
        "An import ran inside the loop: put it at the top of the module, to be done before "
        "the loop runs.",
        modules=("importlib._bootstrap", "importlib._bootstrap_external"),
        source=r"^\s*(import|from)\s",
    ),
    Rule(
        (WAITING,),
        "await",
        "Write `await asyncio.sleep(...)` in place of `time.sleep(...)`: others run meanwhile.",
        source=r"(?<![\w.])(time\.)?sleep\(",
    ),
    Rule(
        (WAITING,),
        "await",
        "Use `httpx.AsyncClient` in place of `httpx.Client`, or {thread}.",
        modules=("httpx", "httpcore"),
    ),
    Rule(
        (WAITING,),
        "await",
        "`{call}` waits for a server: use an async client (`httpx.AsyncClient`, `aiohttp`), "
        "or {thread}.",
        modules=("requests", "urllib3", "urllib.request", "http.client", "botocore"),
        source=r"\b(requests|urllib3)\.|\burlopen\(",
    ),
    Rule(
        (WAITING,),
        "await",
        "A program is waited for: start it with `await asyncio.create_subprocess_exec(...)`, "
        "then `await process.communicate()`.",
        modules=("subprocess",),
        source=r"\bsubprocess\.|\bos\.(system|wait|wait3|wait4|waitpid|waitid|popen)\(",
    ),
    Rule(
        (WAITING,),
        "await",
        "A future of `concurrent.futures` blocks where it is asked for its result: "
        "`await asyncio.wrap_future(future)`, or `await loop.run_in_executor(executor, ...)`.",
        modules=("concurrent.futures",),
    ),
    Rule(
        (WAITING,),
        "process",
        "`multiprocessing` blocks where it waits for a process: {process}.",
        modules=("multiprocessing",),
    ),
    Rule(
        (WAITING,),
        "await",
        "A `queue.Queue` blocks the whole loop: use `asyncio.Queue` between tasks, and "
        "{thread} where a thread is at the other end.",
        modules=("queue",),
        source=r"(?i)queue\w*\.(get|put|join)\(",
    ),
    Rule(
        (WAITING,),
        "thread",
        "A thread is waited for: {thread}.",
        modules=("threading",),
        functions=("join", "_wait_for_tstate_lock"),
        source=r"(?i)thread\w*\.join\(",
        call="thread.join",
    ),
    Rule(
        (WAITING,),
        "await",
        "A lock of `threading` blocks the whole loop: between tasks use `asyncio.Lock`, "
        "`asyncio.Event` and their like; where a thread holds it, {thread}.",
        modules=("threading",),
        source=r"(?i)\.acquire\(|^\s*with\s.*(lock|mutex|semaphore|condition)",
    ),
    Rule(
        (WAITING,),
        "await",
        "Looking up a host blocks: `await loop.getaddrinfo(...)`.",
        modules=("socket",),
        functions=("getaddrinfo", "getfqdn"),
        source=r"\b(getaddrinfo|gethostbyname|gethostbyname_ex|gethostbyaddr|getfqdn)\(",
    ),
    Rule(
        (WAITING,),
        "await",
        "Use SQLAlchemy's `create_async_engine(...)` with `AsyncSession`, or {thread}.",
        modules=("sqlalchemy",),
    ),
    Rule(
        (WAITING,),
        "await",
        "Use `psycopg.AsyncConnection` in place of `psycopg.Connection`, or {thread}.",
        modules=("psycopg",),
    ),
    Rule((WAITING,), "await", "Use `redis.asyncio`, or {thread}.", modules=("redis",)),
    Rule(
        (WAITING,), "await", "Use pymongo's `AsyncMongoClient`, or {thread}.", modules=("pymongo",)
    ),
    Rule(
        (WAITING,),
        "thread",
        "A database is waited for: {thread}, or an async driver (`asyncpg`, `aiosqlite`, "
        "`aiomysql`).",
        modules=("sqlite3", "psycopg2", "pymysql", "MySQLdb", "mysql", "oracledb", "pyodbc"),
        source=r"\.(execute|executemany|executescript|commit|fetchone|fetchmany|fetchall)\(",
    ),
    Rule(
        (WAITING,),
        "thread",
        "Log through `logging.handlers.QueueHandler`: its `QueueListener` writes in a thread "
        "of its own.",
        modules=("logging",),
    ),
    Rule(
        (WAITING,),
        "await",
        "A blocking socket stops the whole loop: `sock.setblocking(False)`, then "
        "`await loop.sock_recv(sock, n)` and its like, or streams from "
        "`await asyncio.open_connection(...)`.",
        modules=("socket", "ssl"),
        source=r"\.(recv|recv_into|recvfrom|recvmsg|sendall|sendto|sendmsg|accept|connect|"
        r"do_handshake)\(|\bcreate_connection\(",
    ),
    Rule(
        (WAITING,), "thread", "The user is waited for: {thread}.", source=r"\binput\(", call="input"
    ),
    Rule(
        (WAITING,),
        "thread",
        "Files have no async form in asyncio: {thread}.",
        modules=("shutil", "pathlib", "tempfile", "zipfile", "tarfile", "glob", "os", "io"),
        source=r"\b(open|fsync|fdatasync|sync|copyfile|copytree|rmtree)\(|"
        r"\.(read|readline|readlines|readinto|write|writelines|flush|truncate|"
        r"read_text|write_text|read_bytes|write_bytes)\(",
    ),
    Rule((WAITING,), "thread", "It waits and uses no CPU: {thread}, or an async client."),
    Rule(
        (NATIVE,),
        "thread",
        "`{call}` runs in C and lets the GIL go: {thread} has it run on another core.",
    ),
    Rule(
        (NATIVE_GIL, PYTHON),
        "process",
        "A regex keeps the GIL until its search ends: {process}. What comes back is pickled, and "
        "a match cannot be: have `{call}` return what is needed of it, as `match.groups()`. "
        f"{NESTED}",
        modules=("re", "regex"),
        functions=("search", "match", "fullmatch", "finditer"),
        source=r"\.(search|match|fullmatch|finditer)\(",
        stand_in="find_groups",
    ),
    Rule(
        (NATIVE_GIL, PYTHON),
        "process",
        f"A regex keeps the GIL until its search ends: {{process}}. {NESTED}",
        modules=("re", "regex"),
        source=r"(?<![\w.])re\.\w+\(|\.(findall|sub|subn)\(",
    ),
    Rule(
        (NATIVE_GIL,),
        "process",
        "Sorting keeps the GIL until it ends: {process}, or sort smaller pieces.",
        source=r"(?<![\w.])sorted\(|\.sort\(",
        call="sorted",
    ),
    Rule(
        (NATIVE_GIL,),
        "process",
        "`{call}` keeps the GIL until it ends: {process}, or give it smaller pieces.",
        modules=("json", "pickle", "copy", "csv", "xml", "ast"),
        source=r"\b(json|pickle|marshal|csv|ast)\.\w+\(",
    ),
    Rule(
        (NATIVE_GIL,),
        "process",
        "`{call}` keeps the GIL until it ends, so a thread would not help: {process}.",
    ),
    Rule(
        (PYTHON,),
        "process",
        "Python code keeps the GIL, so a thread would not help: {process}.",
    ),
)

INLINE = "{process}, with this code in a function of its own"
"""Says what to send where the code stands in the coroutine itself."""

NO_AWAIT = "A callback cannot await: it can start a task, `asyncio.create_task(...)`."

ONLY_LAG = "By itself this shortens the lag, not the run."


def rule_for(scene: Scene) -> Rule:
    """Return the first rule of the table that applies."""
    return next(rule for rule in RULES if _applies(rule, scene))


def _applies(rule: Rule, scene: Scene) -> bool:
    if scene.blocker not in rule.blockers or (rule.gil and not scene.waited_for_gil):
        return False
    if not rule.modules and not rule.source:
        return True
    return any(_names(rule, module, function) for module, function in scene.inside) or bool(
        rule.source and re.search(rule.source, scene.source)
    )


def _names(rule: Rule, module: str, function: str) -> bool:
    is_one = any(module == name or module.startswith(name + ".") for name in rule.modules)
    return is_one and (not rule.functions or function in rule.functions)


def _call(rule: Rule, scene: Scene) -> str:
    """Return the call that the rule's pattern is about, or else the likeliest."""
    for call in scene.calls if rule.source else ():
        if re.search(rule.source, f"{call}("):
            return call
    return scene.calls[0] if scene.calls else UNNAMED


def sentence(rule: Rule, scene: Scene) -> str:
    """Return a rule's sentence about what was seen."""
    call = rule.call or _call(rule, scene)
    if rule.stand_in and re.search(rule.source, f"{call}("):
        call = rule.stand_in
    thread, process = (
        (CALLBACK_THREAD, CALLBACK_PROCESS) if scene.in_callback else (THREAD, PROCESS)
    )
    if scene.is_inline and not rule.call:
        process = INLINE.replace("{process}", process)
    text = rule.text.format(
        call=call,
        thread=thread.format(call=call),
        process=process.format(call=call),
        holder=scene.holder or "another thread",
    )
    return f"{text} {NO_AWAIT}" if scene.in_callback and "`await " in text else text
