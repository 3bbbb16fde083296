"""The JSON of real reports of several kinds is as docs/report.schema.json says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fournil.observe.report.document import as_dict
from tests.launch.running import FOURNIL, run, write
from tests.observe import samples
from tests.observe.builder import Builder
from tests.observe.samples import report_of

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/report.schema.json").read_text())

PROGRAMS = {
    "calm": "import asyncio\nasyncio.run(asyncio.sleep(0))\n",
    "script": "import time\ntime.sleep(0.2)\n",
    "blocked": """
import asyncio, hashlib, time

async def wait():
    time.sleep(0.1)

async def compute():
    sum(i * i for i in range(2_000_000))
    hashlib.pbkdf2_hmac("sha256", b"", b"", 200_000)

async def fail():
    raise ValueError

async def main():
    asyncio.sleep(1)
    asyncio.create_task(fail())
    forgotten = asyncio.create_task(asyncio.sleep(60))
    asyncio.get_running_loop().call_soon(time.sleep, 0.1)
    await asyncio.gather(wait(), compute(), wait())
    await asyncio.to_thread(time.sleep, 0.01)

asyncio.run(main())
""",
    "pools": """
import asyncio, fournil

async def main():
    async with fournil.ProcessPool(workers=1) as pool:
        async for _ in pool.map(abs, range(20)):
            pass

asyncio.run(main())
""",
    "processes": """
import asyncio, multiprocessing, os, subprocess, sys, time

async def work():
    time.sleep(0.1)

def child():
    asyncio.run(work())

if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=child) for _ in range(2)]
    for one in children: one.start()
    for one in children: one.join()
    subprocess.run(["sh", "-c", f"'{sys.executable}' -c pass"])
    asyncio.run(work())
    os._exit(3)
""",
}


def check(document: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator(SCHEMA).validate(document)


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    "builder", [samples.bakery, samples.calm, samples.script, samples.killed, Builder]
)
def test_written_recordings(builder: Callable[[], Builder]) -> None:
    check(json.loads(json.dumps(as_dict(report_of(builder())))))


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name: str, tmp_path: Path) -> None:
    write(tmp_path, {"app.py": PROGRAMS[name]})
    run([*FOURNIL, "--json", "report.json", "app.py"], cwd=tmp_path)
    check(json.loads((tmp_path / "report.json").read_text()))


def test_a_name_that_nobody_has_told_of_is_refused() -> None:
    document = json.loads(json.dumps(as_dict(report_of(samples.bakery()))))
    document["blocked"][0]["more"] = 1
    with pytest.raises(jsonschema.ValidationError):
        check(document)
