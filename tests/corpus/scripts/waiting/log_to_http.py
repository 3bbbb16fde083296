"""Errors are logged to a collector by HTTP."""

import asyncio
import http.server
import logging
import logging.handlers
import threading
import time


class Collector(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(0.3)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
threading.Thread(target=server.serve_forever, daemon=True).start()
log = logging.getLogger("shop")
host = f"127.0.0.1:{server.server_port}"
log.addHandler(logging.handlers.HTTPHandler(host, "/", method="POST"))


async def order(number):
    await asyncio.sleep(0.001)
    try:
        return 10 / number
    except ZeroDivisionError:
        log.exception("order %d", number)  # blocks: waiting


async def main():
    await asyncio.gather(*(order(number) for number in range(4)))


asyncio.run(main())
