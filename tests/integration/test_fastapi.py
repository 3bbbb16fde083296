"""A handler of FastAPI's that returns much: the answer is made when it has returned."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.integration.commands.servers import free_port, serve

pytest.importorskip("fastapi")

APP = """
import time
from fastapi import FastAPI

app = FastAPI()
ROWS = [{"id": number, "name": f"row {number}"} for number in range(60_000)]
time.sleep(0.3)

@app.get("/rows/{kind}")
async def list_rows(kind: str):
    return ROWS

@app.get("/")
async def baked():
    return "baked"
"""


def test_it_is_named_by_its_route(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    port = free_port()
    run = ["-m", "fournil", "run", "--json", "report.json", "-m", "uvicorn", "--port", str(port)]
    command = [sys.executable, *run, "app:app"]
    status, _ = serve(command, port, tmp_path, ["rows/x", "rows/y"])
    assert status == 0
    told = json.loads((tmp_path / "report.json").read_text())
    first = told["blocked"][0]
    assert "fastapi" in first["file"] or "pydantic" in first["file"] or "starlette" in first["file"]
    assert not any(frame["own"] for frame in first["stack"])
    assert first["callers"]
    (request,) = first["serves"]
    assert (request["route"], request["function"]) == ("GET /rows/{kind}", "list_rows")
    assert (request["file"], request["line"]) == (str(tmp_path / "app.py"), 9)
    assert request["share"] == pytest.approx(1.0)
    # The import of the application blocked the server before it served.
    assert all(of["when"]["at_startup"] for of in told["blocked"] if of["line"] == 7)
    assert all(of["function"] == "list_rows" for one in told["blocked"] for of in one["serves"])
