"""A form's name is checked by a pattern that backtracks."""

import asyncio
import re

NAME = re.compile(r"^([a-z]+\s?)+$")


class Form(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        good = NAME.match(data.decode().rstrip())  # blocks: native-gil
        self.transport.write(b"ok\n" if good else b"no\n")


async def submit(address, name):
    reader, writer = await asyncio.open_connection(*address)
    writer.write(name)
    answer = await reader.readline()
    writer.close()
    return answer


async def main():
    server = await asyncio.get_running_loop().create_server(Form, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    print(await asyncio.gather(submit(address, b"a" * 22 + b"!\n"), submit(address, b"rye\n")))
    server.close()


asyncio.run(main())
