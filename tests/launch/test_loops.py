"""All loops of a program are Fournil's, however it makes them."""

from __future__ import annotations

import importlib.util
import sys
import textwrap
from pathlib import Path

import pytest

from tests.launch.running import FOURNIL, Result, run, write

HEAD = """
import asyncio
from fournil.loop import EventLoop as Ours
async def main():
    check(asyncio.get_running_loop())
def check(loop):
    assert isinstance(loop, Ours), loop
    assert isinstance(loop, asyncio.SelectorEventLoop)
    assert isinstance(loop, asyncio.selector_events.BaseSelectorEventLoop)
    print("ours")
def use(loop):
    loop.run_until_complete(main())
    loop.close()
"""

WAYS = {
    "run": "asyncio.run(main())",
    "run, debug": "asyncio.run(main(), debug=True)",
    "Runner": "with asyncio.Runner() as runner: runner.run(main())",
    "Runner with a factory": """
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner: runner.run(main())
    """,
    "Runner with a class": """
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner: runner.run(main())
    """,
    "new_event_loop": "use(asyncio.new_event_loop())",
    "new_event_loop of events": "use(asyncio.events.new_event_loop())",
    "SelectorEventLoop": "use(asyncio.SelectorEventLoop())",
    "SelectorEventLoop with a selector": """
        import selectors
        use(asyncio.SelectorEventLoop(selectors.SelectSelector()))
    """,
    "SelectorEventLoop by name": "from asyncio import SelectorEventLoop; use(SelectorEventLoop())",
    "SelectorEventLoop of unix_events": """
        from asyncio import unix_events
        use(unix_events.SelectorEventLoop())
        use(unix_events._UnixSelectorEventLoop())
    """,
    "subclass": """
        class Loop(asyncio.SelectorEventLoop):
            def __init__(self, name):
                super().__init__()
                self.name = name
            def call_soon(self, *args, **kwargs):
                calls.append(args)
                return super().call_soon(*args, **kwargs)
        calls = []
        use(Loop("mine"))
        assert calls
    """,
    "set_event_loop": """
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        check(asyncio.get_event_loop())
        use(loop)
    """,
    "in a thread": """
        import threading
        thread = threading.Thread(target=asyncio.run, args=[main()]); thread.start(); thread.join()
    """,
    "after fork": """
        import os
        pid = os.fork()
        if pid: assert os.waitpid(pid, 0)[1] == 0
        asyncio.run(main())
    """,
    "test case": """
        import unittest
        class Test(unittest.IsolatedAsyncioTestCase):
            async def test(self): await main()
        assert unittest.main(argv=["x"], exit=False).result.wasSuccessful()
    """,
    "top level": "await main()",
}

if sys.version_info >= (3, 12):
    WAYS["run with a class"] = "asyncio.run(main(), loop_factory=asyncio.SelectorEventLoop)"
if sys.version_info >= (3, 13):
    WAYS["EventLoop"] = "use(asyncio.EventLoop())"

# CPython 3.14 deprecates policies; what is below then warns of its own accord.
POLICIES = {
    "policy": """
        asyncio.set_event_loop_policy(asyncio.DefaultEventLoopPolicy())
        asyncio.run(main())
    """,
    "policy's loop": "use(asyncio.get_event_loop_policy().new_event_loop())",
    "type of policy": """
        assert type(asyncio.get_event_loop_policy()) is asyncio.DefaultEventLoopPolicy
        asyncio.run(main())
    """,
    "subclass of policy": """
        class Policy(asyncio.DefaultEventLoopPolicy):
            def new_event_loop(self):
                made.append(super().new_event_loop())
                return made[-1]
        made = []
        asyncio.set_event_loop_policy(Policy())
        asyncio.run(main())
        assert len(made) == 1
    """,
    "policy with a factory": """
        class Policy(asyncio.DefaultEventLoopPolicy):
            _loop_factory = asyncio.SelectorEventLoop
        asyncio.set_event_loop_policy(Policy())
        asyncio.run(main())
    """,
    "no policy": "asyncio.set_event_loop_policy(None); asyncio.run(main())",
}
if sys.version_info < (3, 14):
    POLICIES["get_event_loop"] = "use(asyncio.get_event_loop())"
    POLICIES["get_event_loop of a policy"] = """
        loop = asyncio.get_event_loop_policy().get_event_loop()
        assert asyncio.get_event_loop() is loop
        use(loop)
    """


def ours(text: str, *, cwd: Path, warnings: str = "error") -> Result:
    (cwd / "app.py").write_text(HEAD + textwrap.dedent(text))
    command = [FOURNIL[0], "-W", warnings, *FOURNIL[1:], "app.py"]
    return run(command, cwd=cwd)


@pytest.mark.parametrize("way", WAYS)
def test_ours(way: str, tmp_path: Path) -> None:
    done = ours(WAYS[way], cwd=tmp_path)
    assert set(done.stdout.split()) == {"ours"}, done.stderr
    assert done.status == 0
    assert done.stderr == "" or way == "test case"


@pytest.mark.parametrize("way", POLICIES)
def test_ours_by_policy(way: str, tmp_path: Path) -> None:
    done = ours(POLICIES[way], cwd=tmp_path, warnings="ignore")
    assert set(done.stdout.split()) == {"ours"}, done.stderr
    assert (done.stderr, done.status) == ("", 0)


# Packages that bring loops of their own, as they are built: where the class of their loops is
# written, and which functions make one.
STAND_INS = {
    "uvloop": {
        "uvloop/loop.py": "class Loop: pass",
        "uvloop/__init__.py": """
            import asyncio
            from .loop import Loop as __BaseLoop
            class Loop(__BaseLoop, asyncio.AbstractEventLoop): pass
            def new_event_loop(): return Loop()
            def run(main, *, loop_factory=new_event_loop):
                with asyncio.Runner(loop_factory=loop_factory) as runner:
                    assert isinstance(runner.get_loop(), Loop)
                    return runner.run(main)
        """,
    },
    "rloop": {
        "rloop/loop.py": "import asyncio\nclass RLoop(asyncio.AbstractEventLoop): pass",
        "rloop/__init__.py": """
            from .loop import RLoop
            def new_event_loop(): return RLoop()
        """,
    },
    "zuvloop": {
        "zuvloop/_loop.py": """
            import asyncio
            class EventLoop(asyncio.AbstractEventLoop):
                def __init__(self, *, instrumentation=None): raise RuntimeError
        """,
        "zuvloop/_runner.py": """
            from ._loop import EventLoop
            def new_event_loop(): return EventLoop(instrumentation=True)
        """,
        "zuvloop/__init__.py": "from ._loop import EventLoop\nfrom ._runner import new_event_loop",
    },
    "winloop": {
        "winloop/__init__.py": """
            import asyncio
            class Loop(asyncio.AbstractEventLoop): pass
            def new_event_loop(): return Loop()
        """,
    },
}
CLASSES = {"uvloop": "Loop", "rloop": "RLoop", "zuvloop": "EventLoop", "winloop": "Loop"}


def announced(package: str) -> str:
    return f"fournil: this program asks for {package}; its loops are Fournil's\n"


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    for files in STAND_INS.values():
        write(tmp_path, {name: textwrap.dedent(text) for name, text in files.items()})
    return tmp_path


@pytest.mark.parametrize("package", STAND_INS)
def test_package(package: str, packages: Path) -> None:
    text = f"""
        import {package}
        from {package} import new_event_loop, {CLASSES[package]} as Loop
        assert {package}.__spec__.loader is {package}.__loader__
        assert {package}.__loader__.__class__.__name__ == "SourceFileLoader"
        assert Loop.__name__ == "{CLASSES[package]}" and Loop.__module__.startswith("{package}")
        for make in new_event_loop, {package}.new_event_loop, Loop:
            loop = make()
            assert type(loop) is Loop
            use(loop)
    """
    done = ours(text, cwd=packages)
    assert done == Result("ours\n" * 3, announced(package), 0)


def test_package_imported_and_not_asked(packages: Path) -> None:
    done = ours("import uvloop, rloop; asyncio.run(main())", cwd=packages)
    assert done == Result("ours\n", "", 0)


def test_package_that_is_not_imported(packages: Path) -> None:
    (packages / "uvloop" / "__init__.py").write_text("raise RuntimeError")
    assert ours("asyncio.run(main())", cwd=packages) == Result("ours\n", "", 0)


def test_package_that_is_not_there(tmp_path: Path) -> None:
    done = ours(
        """
        import importlib.util
        assert importlib.util.find_spec("winloop") is None
        try: import winloop
        except ModuleNotFoundError as error: print(error)
        """,
        cwd=tmp_path,
    )
    assert done == Result("No module named 'winloop'\n", "", 0)


def test_package_that_is_something_else(tmp_path: Path) -> None:
    write(tmp_path, {"uvloop.py": "Loop = 'the loop'", "rloop.py": ""})
    done = ours("import uvloop, rloop; print(uvloop.Loop); await main()", cwd=tmp_path)
    assert done == Result("the loop\nours\n", "", 0)


def test_package_reloaded(packages: Path) -> None:
    text = "import importlib, uvloop; importlib.reload(uvloop); use(uvloop.new_event_loop())"
    assert ours(text, cwd=packages) == Result("ours\n", announced("uvloop"), 0)


def test_announced_once_for_all(packages: Path) -> None:
    text = "import uvloop, rloop; use(uvloop.new_event_loop()); use(rloop.new_event_loop())"
    assert ours(text, cwd=packages) == Result("ours\nours\n", announced("uvloop"), 0)


def test_announced_without_stderr(packages: Path) -> None:
    text = "import sys, uvloop; sys.stderr.close(); use(uvloop.new_event_loop())"
    assert ours(text, cwd=packages) == Result("ours\n", "", 0)


def needs(package: str) -> pytest.MarkDecorator:
    missing = importlib.util.find_spec(package) is None
    return pytest.mark.skipif(missing, reason=f"{package} is not installed")


UVLOOP = {
    "run": "uvloop.run(main())",
    "new_event_loop": "use(uvloop.new_event_loop())",
    "Loop": "use(uvloop.Loop())",
    "factory": "with asyncio.Runner(loop_factory=uvloop.new_event_loop) as r: r.run(main())",
    "subclass": "class Loop(uvloop.Loop): pass\nuse(Loop())",
    "install": "uvloop.install(); asyncio.run(main())",
    "policy": "asyncio.set_event_loop_policy(uvloop.EventLoopPolicy()); asyncio.run(main())",
}


@needs("uvloop")
@pytest.mark.parametrize("way", UVLOOP)
def test_uvloop(way: str, tmp_path: Path) -> None:
    done = ours(f"import uvloop\n{UVLOOP[way]}", cwd=tmp_path, warnings="ignore")
    assert done == Result("ours\n", announced("uvloop"), 0)


RLOOP = {
    "new_event_loop": "use(rloop.new_event_loop())",
    "policy": "asyncio.set_event_loop_policy(rloop.EventLoopPolicy()); asyncio.run(main())",
}


@needs("rloop")
@pytest.mark.parametrize("way", RLOOP)
def test_rloop(way: str, tmp_path: Path) -> None:
    done = ours(f"import rloop\n{RLOOP[way]}", cwd=tmp_path, warnings="ignore")
    assert done == Result("ours\n", announced("rloop"), 0)


ZUVLOOP = {
    "run": "zuvloop.run(main())",
    "new_event_loop": "use(zuvloop.new_event_loop())",
    "EventLoop": "use(zuvloop.EventLoop())",
}


@needs("zuvloop")
@pytest.mark.parametrize("way", ZUVLOOP)
def test_zuvloop(way: str, tmp_path: Path) -> None:
    done = ours(f"import zuvloop\n{ZUVLOOP[way]}", cwd=tmp_path)
    assert done == Result("ours\n", announced("zuvloop"), 0)
