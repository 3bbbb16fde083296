"""A lease is taken in `__aenter__`, by a client that waits."""

import asyncio
import socket
import socketserver
import threading
import time


class Leases(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.recv(10)
        time.sleep(0.3)
        self.request.sendall(b"ok")


class Lease:
    def __init__(self, address):
        self.address = address

    async def __aenter__(self):
        with socket.create_connection(self.address, timeout=5) as connection:
            connection.sendall(b"lease")
            self.token = connection.recv(2)  # blocks: waiting
        return self

    async def __aexit__(self, *exc):
        await asyncio.sleep(0)


async def job(address):
    async with Lease(address) as lease:
        return lease.token


async def main():
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Leases) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(await asyncio.gather(*(job(server.server_address) for _ in range(2))))
        server.shutdown()


with asyncio.Runner() as runner:
    runner.run(main())
