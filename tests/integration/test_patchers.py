"""Packages that put something of theirs in the place of asyncio's, under `fournil run`."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest


def run(source: str, *, ours: bool) -> str:
    """Return what a program prints, under `fournil run` or `python`."""
    command = [sys.executable, *(["-m", "fournil", "run", "--no-report"] if ours else []), "-c"]
    ended = subprocess.run(
        [*command, textwrap.dedent(source)], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.parametrize("ours", [False, True], ids=["python", "fournil"])
class TestPatchers:
    def test_nest_asyncio(self, ours: bool) -> None:
        pytest.importorskip("nest_asyncio")
        source = """
            import asyncio, nest_asyncio

            async def inner(n):
                await asyncio.sleep(0.001)
                if n:
                    return asyncio.get_running_loop().run_until_complete(inner(n - 1)) + 1
                reader, writer = await asyncio.open_connection(*address)
                writer.write(b"line\\n")
                line = await reader.readline()
                writer.close()
                return len(line)

            async def serve(reader, writer):
                writer.write(await reader.readline())
                writer.close()

            async def main():
                global address
                nest_asyncio.apply()
                server = await asyncio.start_server(serve, "127.0.0.1", 0)
                address = server.sockets[0].getsockname()
                loop = asyncio.get_running_loop()
                return loop.run_until_complete(asyncio.gather(*map(inner, range(4))))

            print(asyncio.run(main()))
            print(asyncio.run(asyncio.sleep(0.001, "again")))
        """
        assert run(source, ours=ours) == "[5, 6, 7, 8]\nagain\n"

    def test_gevent(self, ours: bool) -> None:
        pytest.importorskip("gevent")
        source = """
            from gevent import monkey; monkey.patch_all()
            import asyncio, fournil, gevent, threading, time

            async def main():
                loop = asyncio.get_running_loop()
                print(await fournil.to_thread(lambda: 6))
                ticks = gevent.spawn(tick)
                print(await loop.run_in_executor(None, lambda: 5))
                await asyncio.gather(*(asyncio.to_thread(time.sleep, 0.01) for _ in range(5)))
                thread = threading.Thread(target=loop.call_soon_threadsafe, args=(print, "called"))
                thread.start()
                await asyncio.sleep(0.01)
                thread.join()
                ticks.join()

            def tick():
                for n in range(3):
                    time.sleep(0.001)
                    print("tick", n)

            asyncio.run(main())
            print("ended")
        """
        lines = run(source, ours=ours).splitlines()
        assert sorted(lines) == ["5", "6", "called", "ended", "tick 0", "tick 1", "tick 2"]
        assert lines[-1] == "ended"

    def test_freezegun(self, ours: bool) -> None:
        pytest.importorskip("freezegun")
        source = """
            import asyncio, freezegun, time

            async def main():
                loop = asyncio.get_running_loop()
                with freezegun.freeze_time("2026-01-01") as frozen:
                    began = loop.time()
                    sleeping = asyncio.ensure_future(asyncio.sleep(3600, "slept"))
                    await asyncio.sleep(0)
                    assert loop.time() == began
                    frozen.tick(3601)
                    print(await sleeping, loop.time() - began)
                with freezegun.freeze_time("2026-01-01", real_asyncio=True):
                    await asyncio.sleep(0.001)
                await asyncio.sleep(0.001)

            asyncio.run(main())
        """
        assert run(source, ours=ours) == "slept 3601.0\n"


def test_nest_asyncio_is_recorded(tmp_path: Path) -> None:
    pytest.importorskip("nest_asyncio")
    source = """
        import asyncio, nest_asyncio, time

        async def block():
            await asyncio.sleep(0)
            time.sleep(0.1)

        async def main():
            nest_asyncio.apply()
            asyncio.get_running_loop().run_until_complete(asyncio.sleep(0.2))
            asyncio.run(block())

        asyncio.run(main())
    """
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "fournil", "run", "--no-report", "--json", str(report), "-c"]
    subprocess.run([*command, textwrap.dedent(source)], timeout=60, check=True)
    told = json.loads(report.read_text())
    assert [(of["class"], of["line"], of["count"]) for of in told["blocked"]] == [("waiting", 6, 1)]
    assert [of["steps"] for of in told["tasks"] if of["function"] == "block"] == [2]
    assert told["pending"] == []
