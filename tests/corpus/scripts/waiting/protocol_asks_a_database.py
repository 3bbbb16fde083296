"""A protocol's callback looks a name up."""

import asyncio
import time


class Database:
    def lookup(self, name):
        time.sleep(0.2)  # blocks: waiting
        return name[::-1]


class Names(asyncio.Protocol):
    def __init__(self, database):
        self.database = database

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        for name in data.decode().split():
            self.transport.write(self.database.lookup(name).encode() + b"\n")


async def client(address):
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"rye ")
    answer = await reader.readline()
    writer.close()
    return answer


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Names(Database()), "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    print(await asyncio.gather(client(address), client(address)))
    server.close()


loop = asyncio.new_event_loop()
try:
    loop.run_until_complete(main())
finally:
    loop.close()
