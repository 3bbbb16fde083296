"""A property fetches what it shows, the first time."""

import asyncio
import functools
import http.server
import threading
import time
import urllib.request


class Slow(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(0.3)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<h1>Rye</h1>")

    def log_message(self, *args):
        pass


class Page:
    def __init__(self, url):
        self.url = url

    @functools.cached_property
    def text(self):
        with urllib.request.urlopen(self.url) as answer:  # blocks: waiting
            return answer.read().decode()

    def __len__(self):
        return len(self.text)


async def index(pages):
    sizes = []
    for page in pages:
        sizes.append(len(page))
        await asyncio.sleep(0)
    return sizes


async def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    pages = [Page(f"http://127.0.0.1:{server.server_port}/{n}") for n in range(2)]
    print(await asyncio.gather(index(pages), asyncio.sleep(0.01)))
    server.shutdown()


asyncio.run(main())
