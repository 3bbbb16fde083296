"""Ten slow requests: one after the other, in threads, in processes.

    python examples/lecture/requests_in_a_pool.py [--latency SECONDS] [--requests N]

The server is a thread of this program that answers each request after the latency.
"""

from __future__ import annotations

import argparse
import asyncio
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import perf_counter, sleep

import fournil


def get(url: str) -> int:
    """Return how many bytes a page has."""
    with urllib.request.urlopen(url) as response:
        return len(response.read())


@contextmanager
def server(latency: float) -> Iterator[str]:
    """Serve pages, each after a wait; yield the address."""

    class Slow(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sleep(latency)
            page = b"bread" * len(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{httpd.server_port}"
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


async def main(latency: float, requests: int) -> None:
    with server(latency) as address:
        urls = [f"{address}/{number}" for number in range(requests)]
        began = perf_counter()
        expected = [get(url) for url in urls]
        alone = perf_counter() - began
        print(f"one after the other  {alone:6.2f} s")
        kinds: tuple[type[fournil.Pool], ...] = (fournil.ThreadPool, fournil.ProcessPool)
        for kind in kinds:
            began = perf_counter()
            async with kind(workers=requests) as pool:
                sizes = [size async for size in pool.map(get, urls)]
            took = perf_counter() - began
            assert sizes == expected
            print(f"{kind.__name__:<20} {took:6.2f} s  {alone / took:5.1f} times as fast")
        began = perf_counter()
        sizes = await asyncio.gather(*(fournil.to_thread(get, url) for url in urls))
        took = perf_counter() - began
        assert sizes == expected
        print(f"to_thread and gather {took:6.2f} s  {alone / took:5.1f} times as fast")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--latency", type=float, default=0.75)
    options.add_argument("--requests", type=int, default=10)
    given = options.parse_args()
    fournil.run(main(given.latency, given.requests))
