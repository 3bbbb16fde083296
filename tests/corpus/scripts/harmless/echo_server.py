"""A server that is quick, under load."""

import asyncio


async def echo(reader, writer):
    while line := await reader.readline():
        writer.write(line.upper())
        await writer.drain()
    writer.close()


async def client(address, times):
    reader, writer = await asyncio.open_connection(*address)
    for number in range(times):
        writer.write(b"rye %d\n" % number)
        await reader.readline()
    writer.close()


async def main():
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    await asyncio.gather(*(client(address, 150) for _ in range(30)))
    server.close()


asyncio.run(main())
