"""A handler asks another service through requests."""

import asyncio
import http.server
import threading
import time

import requests


class Prices(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(0.3)
        body = b'{"rye": 4.2}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Prices)
threading.Thread(target=service.serve_forever, daemon=True).start()
URL = f"http://127.0.0.1:{service.server_port}/prices"


async def quote(bread):
    answer = requests.get(URL, timeout=5)  # blocks: waiting
    return answer.json()[bread]


async def handle(reader, writer):
    bread = (await reader.readline()).decode().strip()
    writer.write(f"{await quote(bread)}\n".encode())
    writer.close()


async def client(address):
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"rye\n")
    print((await reader.read()).decode().strip())
    writer.close()


async def main():
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    await asyncio.gather(client(address), client(address))
    server.close()


asyncio.run(main())
