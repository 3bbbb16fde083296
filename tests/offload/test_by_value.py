"""Modules that only the program has: their functions and classes travel by value."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import os
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

import fournil
from fournil._worker.pickling import modules
from tests.offload.under_test import ISOLATED

CODE = """
import abc
import collections
import contextvars
import dataclasses
import enum
import functools
import typing

FACTOR = 7
VARIABLE = contextvars.ContextVar("VARIABLE", default=1)
T = typing.TypeVar("T")


def by_factor(number):
    return number * FACTOR


def bake(number):
    return by_factor(number)


class Baked(abc.ABC):
    names = []

    def __init_subclass__(cls):
        Baked.names.append(cls.__name__)


class Loaf(Baked):
    def __init__(self, flour):
        self.flour = flour

    def weight(self):
        return self.flour * FACTOR


class Grain(enum.Enum):
    RYE = 1
    WHEAT = 2


@dataclasses.dataclass
class Order:
    loaves: list


Pair = collections.namedtuple("Pair", "one other")


class BurntError(Exception):
    def __init__(self, degrees, minutes):
        super().__init__(degrees, minutes)


def order(loaf):
    return Order([loaf, Loaf(2)])


def is_ours(loaf, grain):
    return isinstance(loaf, Loaf), grain is Grain.RYE, Grain.WHEAT


def swap(pair):
    return Pair(pair.other, pair.one)


def burn():
    raise BurntError(300, 90)


def weigh():
    import fournil

    return fournil.worker_state().weight()


def variable():
    return VARIABLE.get()


@functools.lru_cache(maxsize=3)
def remembered(number):
    return number * FACTOR


def of_any(value: T) -> T:
    return value


bake_two = functools.partial(bake, 2)
"""

Payload = Callable[[str, Path], Any]


def by_its_file(name: str, folder: Path) -> Any:
    """Payload a module as programs load plugins."""
    file = folder / "a-plugin.py"
    file.write_text(CODE)
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made
    spec.loader.exec_module(made)
    return made


def by_its_file_alone(name: str, folder: Path) -> Any:
    """... and do not say so in `sys.modules`."""
    made = by_its_file(name, folder)
    del sys.modules[name]
    return made


def in_memory(name: str, folder: Path) -> Any:
    made = types.ModuleType(name)
    sys.modules[name] = made
    exec(CODE, vars(made))
    return made


def in_a_package_in_memory(name: str, folder: Path) -> Any:
    sys.modules[f"{name}_package"] = types.ModuleType(f"{name}_package")
    return in_memory(f"{name}_package.{name}", folder)


def from_a_folder_that_is_not_on_the_path(name: str, folder: Path) -> Any:
    (folder / f"{name}.py").write_text(CODE)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))


class Finder:
    """Finds modules that are made by the program."""

    def __init__(self, name: str) -> None:
        self.name = name

    def find_spec(self, name: str, path: object = None, target: object = None) -> Any:
        return importlib.util.spec_from_loader(name, self) if name == self.name else None  # type: ignore[arg-type]

    def create_module(self, spec: object) -> None:
        return None

    def exec_module(self, module: types.ModuleType) -> None:
        exec(CODE, vars(module))


def by_a_finder(name: str, folder: Path) -> Any:
    finder: Any = Finder(name)
    sys.meta_path.append(finder)
    try:
        return importlib.import_module(name)
    finally:
        sys.meta_path.remove(finder)


def under_the_name_of_another(name: str, folder: Path) -> Any:
    return by_its_file("colorsys", folder)


LOADS: list[Payload] = [
    by_its_file,
    by_its_file_alone,
    in_memory,
    in_a_package_in_memory,
    from_a_folder_that_is_not_on_the_path,
    by_a_finder,
    under_the_name_of_another,
]


@pytest.fixture(autouse=True)
def nothing_is_loaded() -> Iterator[None]:
    before = dict(sys.modules)
    yield
    for name in sys.modules.keys() - before.keys():
        if not name.startswith(("fournil", "cloudpickle")):
            del sys.modules[name]
    sys.modules.update(before)


@pytest.mark.parametrize("kind", ISOLATED)
@pytest.mark.parametrize("load", LOADS, ids=lambda load: load.__name__)
def test_what_a_module_has(load: Payload, kind: str, tmp_path: Path) -> None:
    plugin = load("a_plugin", tmp_path)

    async def main() -> None:
        async with ISOLATED[kind](
            workers=1,
            initializer=plugin.Loaf,
            initargs=(5,),
            context_vars=[plugin.VARIABLE],
        ) as pool:
            assert await pool.run(plugin.bake, 2) == 14
            assert [value async for value in pool.map(plugin.bake, [1, 2])] == [7, 14]
            assert await asyncio.wrap_future(pool.executor.submit(plugin.bake, 3)) == 21
            assert await pool.run(plugin.bake_two) == 14
            assert await pool.run(lambda number: plugin.bake(number) + 1, 4) == 29
            assert await pool.run(plugin.remembered, 2) == 14
            assert await pool.run(plugin.of_any, 2) == 2
            assert await pool.run(plugin.weigh) == 35
            loaf = plugin.Loaf(4)
            assert await pool.run(loaf.weight) == 28
            assert await pool.run(plugin.is_ours, loaf, plugin.Grain.RYE) == (
                True,
                True,
                plugin.Grain.WHEAT,
            )
            back = await pool.run(plugin.order, loaf)
            assert type(back) is plugin.Order
            assert [type(one) for one in back.loaves] == [plugin.Loaf] * 2
            assert await pool.run(plugin.swap, plugin.Pair(1, 2)) == plugin.Pair(2, 1)
            assert type(await pool.run(plugin.swap, plugin.Pair(1, 2))) is plugin.Pair
            with pytest.raises(plugin.BurntError) as caught:
                await pool.run(plugin.burn)
            assert caught.value.args == (300, 90)
            plugin.VARIABLE.set(3)
            assert await pool.run(plugin.variable) == 3
            plugin.FACTOR = 8
            assert await pool.run(plugin.bake, 2) == 16, "it was not looked at again"

    fournil.run(main())


def test_what_comes_back_changes_no_class(tmp_path: Path) -> None:
    """Methods are those of the program still, and its hooks are not called again."""
    plugin = by_its_file("a_plugin", tmp_path)
    before = plugin.Loaf.weight, list(plugin.Baked.names)

    async def main() -> None:
        async with fournil.ProcessPool(1) as pool:
            await pool.run(plugin.order, plugin.Loaf(1))
            [*_, loaf] = (await pool.run(plugin.order, plugin.Loaf(1))).loaves
            assert type(loaf) is plugin.Loaf
        plugin.FACTOR = 9
        assert loaf.weight() == 18, "its method finds another module"

    fournil.run(main())
    assert (plugin.Loaf.weight, plugin.Baked.names) == before


def test_a_class_made_in_a_worker() -> None:
    def make(number: int) -> Any:
        class Made:
            def __init__(self) -> None:
                self.number = number

        return [Made(), Made()]

    async def main() -> None:
        async with fournil.ProcessPool(1) as pool:
            for number in range(3):
                one, other = await pool.run(make, number)
                assert type(one) is type(other)
                assert (one.number, type(one).__name__) == (number, "Made")

    fournil.run(main())


def test_modules_that_import_each_other(tmp_path: Path) -> None:
    (tmp_path / "a_sibling.py").write_text(
        "import another_sibling\nADDED = 3\n"
        "def first(n):\n    return another_sibling.second(n) + ADDED\n"
    )
    (tmp_path / "another_sibling.py").write_text(
        "import a_sibling\nFACTOR = 5\n"
        "def second(n):\n    return n * FACTOR\n"
        "def both(n):\n    return a_sibling.first(n)\n"
    )
    package = tmp_path / "a_package"
    (package / "within").mkdir(parents=True)
    (package / "__init__.py").write_text("from .one import one\n")
    (package / "one.py").write_text(
        "from . import two\nfrom .within import three\n"
        "def one(n):\n    return two.two(n) + three.three(n)\n"
    )
    (package / "two.py").write_text("def two(n):\n    return n + 1\n")
    (package / "within" / "__init__.py").write_text("")
    (package / "within" / "three.py").write_text("def three(n):\n    return n + 2\n")
    sys.path.insert(0, str(tmp_path))
    importlib.invalidate_caches()
    try:
        another: Any = importlib.import_module("another_sibling")
        packed: Any = importlib.import_module("a_package")
    finally:
        sys.path.remove(str(tmp_path))

    async def main() -> None:
        async with fournil.ProcessPool(1) as pool:
            assert await pool.run(another.both, 2) == 13
            assert await pool.run(packed.one, 1) == 5

    fournil.run(main())


def test_code_that_is_executed() -> None:
    async def main() -> None:
        async with fournil.ProcessPool(1) as pool:
            for names in ({}, {"__name__": "executed"}):
                space: dict[str, Any] = dict(names)
                exec("N = 4\ndef f(x):\n    return x * N\nclass C:\n    pass", space)
                assert await pool.run(space["f"], 2) == 8
                assert type(await pool.run(space["C"])) is space["C"]

    fournil.run(main())


def test_a_folder_that_comes_to_the_path_later(tmp_path: Path) -> None:
    """Workers that live already are told of it: what is there travels by its name."""
    (tmp_path / "a_late_one.py").write_text(
        "import os\nMADE = os.getpid()\ndef made():\n    return MADE == os.getpid()\n"
        "class Late:\n    pass\n"
    )

    async def main() -> None:
        async with fournil.ProcessPool(1) as pool:
            await pool.run(os.getpid)
            sys.path.append(str(tmp_path))
            importlib.invalidate_caches()
            try:
                late: Any = importlib.import_module("a_late_one")
                assert await pool.run(late.made), "the worker has not imported it"
                assert type(await pool.run(late.Late)) is late.Late
            finally:
                sys.path.remove(str(tmp_path))

    fournil.run(main())


def test_what_the_program_registered_with_cloudpickle() -> None:
    import bisect

    assert modules.is_found("bisect")
    cloudpickle.register_pickle_by_value(bisect)
    try:
        assert not modules.is_found("bisect")
    finally:
        cloudpickle.unregister_pickle_by_value(bisect)
    assert modules.is_found("bisect")


def test_modules_are_found_by_what_they_are() -> None:
    for name in ("sys", "os", "os.path", "asyncio.tasks", "cloudpickle", "tests", "tests.offload"):
        importlib.import_module(name)
        assert modules.is_found(name), name
    assert not modules.is_found("__main__")
    assert not modules.is_found("nobody_has_it")


def test_editable_installations_are_found(tmp_path: Path) -> None:
    """Their finder is there in each interpreter, unlike one that the program made."""
    finder = Finder("an_installed_one")
    finder_of_setuptools: Any = types.SimpleNamespace(
        find_spec=finder.find_spec, __module__="__editable___an_installed_one_finder"
    )
    sys.meta_path.append(finder_of_setuptools)
    try:
        importlib.import_module("an_installed_one")
        assert modules.is_found("an_installed_one")
    finally:
        sys.meta_path.remove(finder_of_setuptools)


def test_what_a_worker_does_not_find_is_said_with_what_to_do() -> None:
    """A package makes some of its modules: one that it did not make looks the same."""
    made: Any = types.ModuleType("json.made")
    sys.modules["json.made"] = made
    exec("def f():\n    pass\nclass C:\n    pass", vars(made))
    changed: Any = importlib.import_module("bisect")
    changed.put_in_later = made.f
    made.f.__module__ = "bisect"
    made.f.__qualname__ = "put_in_later"

    async def main() -> None:
        async with fournil.ProcessPool(1) as pool:
            for function, args, error in (
                (len, ([made.C],), ModuleNotFoundError),
                (made.C, (), ModuleNotFoundError),
                (changed.put_in_later, (), AttributeError),
            ):
                with pytest.raises(error) as caught:
                    await pool.run(function, *args)
                assert "put the folder of the module on sys.path" in caught.value.__notes__[0]
                assert "register_pickle_by_value" in caught.value.__notes__[0]

    try:
        fournil.run(main())
    finally:
        del changed.put_in_later


def test_under_pytest_with_modules_that_it_loads(tmp_path: Path) -> None:
    tests = tmp_path / "checks"
    tests.mkdir()
    (tests / "test_it.py").write_text(
        """
import asyncio, fournil

def work(number):
    assert number == 2, "rewritten"
    return Loaf(number)

class Loaf:
    def __init__(self, flour):
        self.flour = flour

def test_it():
    async def main():
        async with fournil.ProcessPool(1) as pool:
            loaf = await pool.run(work, 2)
            assert type(loaf) is Loaf

    asyncio.run(main())
"""
    )
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--import-mode=importlib",
            "checks",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 passed" in done.stdout, done.stdout
