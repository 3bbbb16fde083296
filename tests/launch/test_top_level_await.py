"""Programs may `await` at the top level; in others nothing changes."""

from __future__ import annotations

import shutil
import signal
import textwrap
from pathlib import Path

import pytest

from tests.launch.running import FOURNIL, Result, both, run, write

APP = """
import asyncio
import sys
from fournil.loop import EventLoop

async def bake(cakes):
    for cake in range(cakes):
        await asyncio.sleep(0)
        yield cake

class Oven:
    async def __aenter__(self): return self
    async def __aexit__(self, *_): print("off")

await asyncio.sleep(0)
async with Oven():
    print([cake async for cake in bake(3)])
    async for cake in bake(2):
        print(cake, __name__, sys.argv[1:])
assert type(asyncio.get_running_loop()) is EventLoop
assert "Oven" in globals()
if __name__ == "__main__":
    print(await asyncio.gather(asyncio.sleep(0, 1), asyncio.sleep(0, 2)))
"""
SAID = "[0, 1, 2]\n0 __main__ ['x']\n1 __main__ ['x']\noff\n[1, 2]\n"

FORMS = {
    "script": ["app.py", "x"],
    "module": ["-m", "app", "x"],
    "module in a package": ["-m", "shop.app", "x"],
    "package": ["-m", "shop", "x"],
    "folder": ["shop", "x"],
    "archive": ["shop.zip", "x"],
    "code": ["-c", APP, "x"],
    "stdin": ["-", "x"],
}


@pytest.mark.parametrize("form", FORMS)
def test_forms(form: str, tmp_path: Path) -> None:
    write(
        tmp_path,
        {"app.py": APP, "shop/__init__.py": "", "shop/__main__.py": APP, "shop/app.py": APP},
    )
    shutil.make_archive(str(tmp_path / "shop"), "zip", tmp_path / "shop")
    # Twice: what Python keeps of a compiled module must not get in the way.
    for _ in range(2):
        assert run([*FOURNIL, *FORMS[form]], cwd=tmp_path, stdin=APP) == Result(SAID, "", 0)


def ours(text: str, cwd: Path) -> Result:
    (cwd / "app.py").write_text(textwrap.dedent(text))
    return run([*FOURNIL, "app.py"], cwd=cwd)


def test_comprehension_alone(tmp_path: Path) -> None:
    text = "async def a():\n    yield 1\nprint([x async for x in a()])"
    assert ours(text, tmp_path) == Result("[1]\n", "", 0)


def test_python_is_left_with_its_own_view_of_it(tmp_path: Path) -> None:
    write(tmp_path, {"app.py": "import asyncio\nawait asyncio.sleep(0)"})
    assert run([*FOURNIL, "-m", "app"], cwd=tmp_path).status == 0
    plain, _ = both(["-m", "app"], cwd=tmp_path)
    assert plain.status == 1
    assert "SyntaxError: 'await' outside function" in plain.stderr


def test_modules_may_not(tmp_path: Path) -> None:
    write(tmp_path, {"app.py": "import shop", "shop.py": "import asyncio\nawait asyncio.sleep(0)"})
    plain, done = both(["app.py"], cwd=tmp_path)
    assert done == plain
    assert "'await' outside function" in done.stderr


def test_names_stay_after_the_loop(tmp_path: Path) -> None:
    done = ours(
        """
        import asyncio, atexit
        atexit.register(lambda: print(cake, __file__.endswith("app.py")))
        cake = await asyncio.sleep(0, "cake")
        """,
        tmp_path,
    )
    assert done == Result("cake True\n", "", 0)


def test_exception(tmp_path: Path) -> None:
    done = ours("import asyncio\nawait asyncio.sleep(0)\n1 / 0\n", tmp_path)
    lines = done.stderr.splitlines()
    assert lines[:2] == [
        "Traceback (most recent call last):",
        f'  File "{tmp_path}/app.py", line 3, in <module>',
    ]
    assert lines[-1] == "ZeroDivisionError: division by zero"
    assert done.stderr.count("File") == 1
    assert done.status == 1


def test_exception_from_below(tmp_path: Path) -> None:
    done = ours(
        """
        import asyncio
        async def fail():
            raise ValueError("no such cake")
        await fail()
        """,
        tmp_path,
    )
    assert [line.strip() for line in done.stderr.splitlines() if "File" in line] == [
        f'File "{tmp_path}/app.py", line 5, in <module>',
        f'File "{tmp_path}/app.py", line 4, in fail',
    ]


def test_exit(tmp_path: Path) -> None:
    text = "import asyncio, sys\nawait asyncio.sleep(0)\nsys.exit(7)"
    assert ours(text, tmp_path) == Result("", "", 7)


def test_interrupt(tmp_path: Path) -> None:
    done = ours(
        """
        import asyncio, os, signal
        try:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            print("cancelled")
            raise
        """,
        tmp_path,
    )
    assert (done.stdout, done.status) == ("cancelled\n", -signal.SIGINT)
    assert done.stderr.endswith("KeyboardInterrupt\n")


def test_loop_within_a_loop(tmp_path: Path) -> None:
    done = ours(
        """
        import asyncio
        await asyncio.sleep(0)
        main = asyncio.sleep(0)
        try:
            asyncio.run(main)
        except RuntimeError as error:
            print(error)
        main.close()
        """,
        tmp_path,
    )
    assert done == Result("asyncio.run() cannot be called from a running event loop\n", "", 0)


def test_task_left_and_generator_left(tmp_path: Path) -> None:
    done = ours(
        """
        import asyncio
        async def wait():
            try:
                await asyncio.Event().wait()
            finally:
                print("cancelled")
        async def count():
            try:
                yield 1
            finally:
                print("closed")
        task = asyncio.create_task(wait())
        numbers = count()
        print(await anext(numbers))
        """,
        tmp_path,
    )
    assert done == Result("1\ncancelled\nclosed\n", "", 0)


@pytest.mark.parametrize(
    "text",
    [
        "def f(): await x",
        "class A:\n    await x",
        "lambda: await x",
        "def f(): return [x async for x in y]",
        "async def f():\n    yield\n    return 1",
        "yield 1",
        "return 1",
    ],
)
def test_what_stays_an_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(text)
    plain, done = both(["app.py"], cwd=tmp_path)
    assert plain.status == 1
    assert done == plain


def test_an_error_beside_an_await(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import asyncio\nawait asyncio.sleep(0)\nreturn 1\n")
    for words in (["app.py"], ["-m", "app"]):
        done = run([*FOURNIL, *words], cwd=tmp_path)
        assert done.status == 1
        assert "line 3" in done.stderr
        assert "'return' outside function" in done.stderr
