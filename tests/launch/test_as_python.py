"""A program under `fournil run` does what it does under `python`, byte by byte."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.launch.running import Result, both, write

SHOW_MAIN = """
import sys
def shown(value):
    return repr(value).partition(" object at ")[0].partition(" from ")[0]
spec = globals().get("__spec__")
print({name: shown(value) for name, value in sorted(globals().items()) if name != "spec"})
print(spec and (spec.name, spec.origin, spec.parent, type(spec.loader).__name__, spec.cached))
print(sys.argv, sys.path, sys.orig_argv[1:])
print(sys.modules["__main__"].__dict__ is globals(), __name__ == "__main__")
"""

FAIL = """
def inner():
    raise ValueError("no such cake")
def outer():
    try:
        inner()
    except ValueError as error:
        raise RuntimeError("the oven is off") from error
outer()
"""


INDENTED_CODE = sys.version_info >= (3, 14)


class Case(NamedTuple):
    """A program: its files, and the words that run it."""

    words: list[str]
    files: dict[str, str | bytes] = {}  # noqa: RUF012 - never changed
    flags: list[str] = []  # noqa: RUF012
    stdin: str = ""
    environment: dict[str, str] = {}  # noqa: RUF012


def script(text: str, *arguments: str, flags: list[str] | None = None) -> Case:
    return Case(["app.py", *arguments], {"app.py": text}, flags or [])


CASES = {
    # What the program sees of itself.
    "script": script(SHOW_MAIN, "one", "--threshold", "-m", "--", "-"),
    "script in a folder": Case(["in/./app.py"], {"in/app.py": SHOW_MAIN}),
    "script with a dot": Case(["./app.py"], {"app.py": SHOW_MAIN}),
    "script above": Case(["../app.py"], {"app.py": SHOW_MAIN, "in/x": ""}),
    "module": Case(["-m", "app", "--json", "x"], {"app.py": SHOW_MAIN}),
    "module, attached": Case(["-mapp", "-c", "x"], {"app.py": "import sys; print(sys.argv)"}),
    "module in a package": Case(
        ["-m", "shop.till", "one"],
        {"shop/__init__.py": "print('shop', __name__)", "shop/till.py": SHOW_MAIN},
    ),
    "package": Case(
        ["-m", "shop", "one"],
        {"shop/__init__.py": "", "shop/__main__.py": "from . import till\n" + SHOW_MAIN,
         "shop/till.py": "print(__package__)"},
    ),
    "module imported before": Case(
        ["-m", "shop.till"], {"shop/__init__.py": "import shop.till", "shop/till.py": "print(1)"}
    ),
    "package that fails": Case(
        ["-m", "shop.till"], {"shop/__init__.py": "import nothing_there", "shop/till.py": ""}
    ),
    "package that finds no file": Case(
        ["-m", "shop.till"], {"shop/__init__.py": "open('nothing')", "shop/till.py": ""}
    ),
    "package that exits": Case(
        ["-m", "shop.till"], {"shop/__init__.py": "raise SystemExit(8)", "shop/till.py": ""}
    ),
    "package with bad syntax": Case(
        ["-m", "shop.till"], {"shop/__init__.py": "x = (", "shop/till.py": ""}
    ),
    "module that fails": Case(["-m", "app"], {"app.py": FAIL}),
    "folder": Case(["shop", "one"], {"shop/__main__.py": SHOW_MAIN}),
    "folder that fails": Case(["shop"], {"shop/__main__.py": FAIL}),
    "code": Case(["-c", SHOW_MAIN, "one", "-c", "--record"]),
    "code, attached": Case(["-cprint(1)", "one"]),
    "code that fails": Case(["-c", FAIL]),
    # Until CPython 3.13, this is an IndentationError.
    **({"code indented": Case(["-c", "\n  x = 1\n  print(x)\n"])} if INDENTED_CODE else {}),
    "stdin": Case(["-", "one"], stdin=SHOW_MAIN),
    "stdin that fails": Case(["-"], stdin=FAIL),
    "stdin read by the program": Case(["app.py"], {"app.py": "print(input())"}, stdin="bread\n"),
    "docstring": script('"""Bakes."""\nprint(__doc__)'),
    "future import": script("from __future__ import annotations\nx: nothing = 1\nprint(x)"),
    "annotations": script("x: int = 1\nprint(__annotations__)"),
    "encoding": Case(["app.py"], {"app.py": "# coding: utf-8\nprint('crème brûlée', ascii('é'))"}),
    "source": script("import inspect\ndef f():\n    return 1\nprint(inspect.getsource(f))"),
    "isolated": script("import sys; print(sys.flags, sys.path)", flags=["-I"]),
    "safe path": script("import sys; print(sys.flags, sys.path)", flags=["-P"]),
    "optimized": script("import sys; assert 0; print(sys.flags, __debug__)", flags=["-OO"]),
    "flags": script(
        "import sys; print(sys.flags, sys._xoptions, sys.warnoptions)",
        flags=["-uB", "-X", "dev", "-Xutf8", "-W", "error::UserWarning", "-R", "-b"],
    ),
    "C locale": Case(
        ["-c", "import os, sys; print(sys.flags, os.environ.get('LC_CTYPE'), sys.stdout.errors)"],
        environment={"LC_ALL": "", "LC_CTYPE": "", "LANG": "C"},
    ),
    "environment": Case(
        ["-c", "import os; print(sorted(set(os.environ)"
               " - {'PYTEST_CURRENT_TEST', '_'}))"]
    ),
    "files of a child": Case(
        ["-c", "import subprocess; subprocess.run(['ls', '/proc/self/fd'], close_fds=False)"]
    ),
    "signals": Case(
        ["-c", "import signal as s; print(s.pthread_sigmask(s.SIG_BLOCK, []),"
               " [(n, s.getsignal(n)) for n in sorted(s.valid_signals()) if n < 32])"]
    ),
    "group": Case(["-c", "import os; print(os.getsid(0), os.getpgrp())"]),
    # Where it goes from there.
    "pickle": script(
        "import pickle\nclass Cake: pass\n"
        "print(type(pickle.loads(pickle.dumps(Cake()))) is Cake, pickle.dumps(Cake))"
    ),
    "processes": script(
        "import multiprocessing as mp, sys\n"
        "def square(x): return x * x\n"
        "if __name__ == '__main__':\n"
        "    for way in ('fork', 'spawn', 'forkserver'):\n"
        "        with mp.get_context(way).Pool(1) as pool:\n"
        "            print(way, pool.map(square, [1, 2, 3]), flush=True)\n"
        "else:\n"
        "    print(__name__, 'click' in sys.modules, flush=True)\n"
    ),
    "processes of a package": Case(
        ["-m", "shop"],
        {
            "shop/__init__.py": "",
            "shop/tools.py": "def square(x): return x * x\n",
            "shop/__main__.py": "import multiprocessing as mp\nfrom .tools import square\n"
            "if __name__ == '__main__':\n"
            "    with mp.get_context('spawn').Pool(1) as pool:\n"
            "        print(pool.map(square, [1, 2, 3]))\n",
        },
    ),
    "executor": script(
        "from concurrent.futures import ProcessPoolExecutor\n"
        "if __name__ == '__main__':\n"
        "    with ProcessPoolExecutor(1) as pool: print(pool.submit(pow, 2, 5).result())\n"
    ),
    "fork": script(
        "import os, sys\nprint('before', flush=True)\npid = os.fork()\n"
        "if pid == 0:\n    print('child', flush=True); sys.exit(3)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    ),
    "fork that fails": script(
        "import os, sys\npid = os.fork()\n"
        "if pid == 0:\n    1 / 0\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    ),
    "child process": script(
        "import subprocess, sys\n"
        "code = 'import sys, os; print(sys.argv, sys.orig_argv, sys.path, os.environ)'\n"
        "print(subprocess.run([sys.executable, '-c', code, 'x'], capture_output=True))\n"
    ),
    "own restart": script(
        "import os, sys\nprint(sys.argv, sys.orig_argv[1:], flush=True)\n"
        "if 'again' not in sys.argv:\n"
        "    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:], 'again'])\n"
    ),
    "threads left": script(
        "import threading, time\n"
        "def work(): gate.wait(); print('thread ends')\n"
        "gate = threading.Event(); threading.Thread(target=work).start()\n"
        "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        "print('main ends'); gate.set()\n"
    ),
    "atexit": script(
        "import atexit, logging\n"
        "atexit.register(print, 'first in, last out')\n"
        "atexit.register(lambda: print('last in, first out', __name__))\n"
        "class Bell:\n    def __del__(self): print('ding')\n"
        "bell = Bell()\n"
    ),
    "atexit fails": script("import atexit\natexit.register(lambda: 1 / 0)"),
    # How it ends.
    "exit": script("raise SystemExit"),
    "exit with a number": script("import sys; sys.exit(7)"),
    "exit with a large number": script("import sys; sys.exit(259)"),
    "exit with text": script("import sys; sys.exit('out of flour')"),
    "exit with an object": script("import sys; sys.exit([1, 2])"),
    "exit in atexit": script("import atexit, os\natexit.register(lambda: os._exit(9))"),
    "os._exit": script("import os; print('x', flush=True); os._exit(3)"),
    "abort": script("import os; os.abort()"),
    "killed": script("import os; print('x', flush=True); os.kill(os.getpid(), 9)"),
    "terminated": script("import os; os.kill(os.getpid(), 15)"),
    "real-time signal": script("import os, signal; os.kill(os.getpid(), signal.SIGRTMIN + 9)"),
    "segfault": script("import ctypes; ctypes.string_at(0)"),
    "exec": script("import os; os.execvp('sh', ['sh', '-c', 'echo gone; exit 5'])"),
    "interrupted": script("raise KeyboardInterrupt"),
    "interrupted by itself": script("import os\nos.kill(os.getpid(), 2)\nprint('never')"),
    "parent signalled": script(
        "import os, signal\nsignal.signal(signal.SIGUSR1, lambda *_: print('got it'))\n"
        "os.kill(os.getpid(), signal.SIGUSR1)\n"
    ),
    # How it fails.
    "exception": script(FAIL),
    "exception with notes": script("e = ValueError('x')\ne.add_note('note')\nraise e"),
    "exception group": script("raise ExceptionGroup('g', [ValueError(1), TypeError(2)])"),
    "exception without a text": script("raise BaseException"),
    "recursion": script("def f(): f()\ntry:\n    f()\nexcept RecursionError as e:\n    print(e)"),
    "bad module imported": Case(
        ["app.py"], {"app.py": "import broken", "broken.py": "x = (\n"}
    ),
    "SyntaxError raised": script("compile('x = (', 'cake', 'exec')"),
    "hook": script(
        "import sys, traceback\n"
        "def hook(kind, error, trace):\n"
        "    print(kind, error, traceback.extract_tb(trace), error.__traceback__ is trace)\n"
        "    print(sys.excepthook is hook, sys.last_traceback is trace)\n"
        "sys.excepthook = hook\n" + FAIL
    ),
    "hook that fails": script(
        "import sys\ndef hook(*_): raise KeyError('hook')\nsys.excepthook = hook\n1 / 0"
    ),
    "hook that exits": script(
        "import sys\ndef hook(*_): sys.exit(4)\nsys.excepthook = hook\n1 / 0"
    ),
    "last exception": script(
        "import atexit, sys, traceback\n"
        "atexit.register(lambda: print(traceback.extract_tb(sys.last_traceback), sys.last_value))\n"
        "1 / 0"
    ),
    "thread fails": script("import threading\nthreading.Thread(target=lambda: 1 / 0).start()"),
    "frames": script(
        "import sys, traceback\ndef f():\n    try: 1 / 0\n"
        "    except Exception: traceback.print_exc()\n"
        "f()\nprint(sys.exc_info())"
    ),
    "warning": script("import warnings\ndef f(): warnings.warn('stale', stacklevel=2)\nf()"),
    "warning of syntax": script("x = 1\nprint(x is 1)"),
    "deprecated in main": script("import warnings\nwarnings.warn('x', DeprecationWarning)"),
    "never awaited": script(
        "import asyncio\nasync def bake(): pass\n"
        "async def main():\n    bake()\n    await asyncio.sleep(0)\nasyncio.run(main())\n"
    ),
    "policies": script(
        "import asyncio\nasync def main(): print('ran')\nasyncio.run(main())\n"
        "loop = asyncio.new_event_loop(); loop.run_until_complete(main()); loop.close()",
        flags=["-W", "error"],
    ),
    # What is no program.
    "no file": Case(["nothing.py"]),
    "no file in a file": Case(["app.py/x"], {"app.py": ""}),
    "no module": Case(["-m", "nothing_there"]),
    "no module in a package": Case(["-m", "json.nothing"]),
    "no module in a module": Case(["-m", "asyncio.tasks.nothing"]),
    "package without a main": Case(["-m", "xml"]),
    "module with its suffix": Case(["-m", "quiet.py"], {"quiet.py": "print(1)"}),
    "module of a package imported once": Case(
        ["-m", "shop.nothing"], {"shop/__init__.py": "print('shop')"}
    ),
    "relative module": Case(["-m", ".app"]),
    "built-in module": Case(["-m", "sys"]),
    "module without a name": Case(["-m", ""]),
    "folder without a main": Case(["in"], {"in/x.py": "", "in/y.py": ""}),
    "this folder": Case([""], {"x.py": "", "y.py": ""}),
    "compiled file that is none": Case(["broken.pyc"], {"broken.pyc": "x" * 20}),
    "archive without a main": Case(["empty.zip"], {"empty.zip": b"PK\5\6" + b"\0" * 18}),
    "bad script": Case(["app.py"], {"app.py": "x = 1\nx = (\n"}),
    "bad indentation": Case(["app.py"], {"app.py": "if 1:\nx = 1\n"}),
    "bad module": Case(["-m", "app"], {"app.py": "x = (\n"}),
    "bad main of a package": Case(
        ["-m", "shop"], {"shop/__init__.py": "print('shop')", "shop/__main__.py": "x = (\n"}
    ),
    "bad folder": Case(["in"], {"in/__main__.py": "x = (\n"}),
    "bad code": Case(["-c", "("]),
    "bad stdin": Case(["-"], stdin="x = 1\nx = (\n"),
    "null bytes": Case(["app.py"], {"app.py": b"x\0"}),
    "no UTF-8": Case(["app.py"], {"app.py": b'x = 1\nx = "\xe9"\n'}),
    "no UTF-8 in a comment": Case(["app.py"], {"app.py": b"# caf\xe9\nx = 1\n"}),
    "no such encoding": Case(["app.py"], {"app.py": "# coding: nope\n"}),
    "task fails": script("import asyncio\nasync def main(): 1 / 0\nasyncio.run(main())"),
}  # fmt: skip


def test_the_stack_has_one_frame_more(tmp_path: Path) -> None:
    write(tmp_path, {"app.py": "import traceback\nprint(len(traceback.extract_stack()))"})
    for words in (["app.py"], ["-m", "app"]):
        plain, ours = both(words, cwd=tmp_path)
        assert int(ours.stdout) == int(plain.stdout) + 1


@pytest.mark.parametrize("name", CASES)
def test_same(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    write(tmp_path, case.files)
    cwd = tmp_path / "in" if case.words[0].startswith("..") else tmp_path
    plain, ours = both(
        case.words, cwd=cwd, stdin=case.stdin, flags=case.flags, environment=case.environment
    )
    assert without_hints(ours) == plain


def without_hints(done: Result) -> Result:
    """Return what was said but for what may have been meant in place of what is no program."""
    lines = done.stderr.splitlines(keepends=True)
    told = [line for line in lines if not line.startswith("fournil: did you mean ")]
    return done._replace(stderr="".join(told))
