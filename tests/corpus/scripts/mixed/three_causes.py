"""A handler that asks, checks and answers."""

import asyncio
import http.server
import json
import threading
import time
import urllib.request


class Slow(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(0.25)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
threading.Thread(target=server.serve_forever, daemon=True).start()
URL = f"http://127.0.0.1:{server.server_port}/"
ROWS = [{"id": n, "name": f"n{n}", "price": n / 7} for n in range(130_000)]


def score(rows):
    total = 0
    for row in rows:
        total += (row["id"] * 31 + len(row["name"])) % 97 * int(row["price"]) % 13  # blocks: python
    return total


async def handler():
    await asyncio.sleep(0)
    urllib.request.urlopen(URL).read()  # blocks: waiting
    total = score(ROWS * 8)
    return total, len(json.dumps(ROWS))  # blocks: native-gil


async def main():
    print(await asyncio.gather(handler(), handler()))


asyncio.run(main())
