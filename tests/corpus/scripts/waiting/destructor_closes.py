"""A connection says goodbye when nothing refers to it any more."""

import asyncio
import socket
import threading
import time


class Connection:
    def __init__(self, address):
        self.socket = socket.create_connection(address)

    def __del__(self):
        self.socket.sendall(b"QUIT\r\n")
        self.socket.recv(100)  # blocks: waiting
        self.socket.close()


def serve(listener):
    connection, _ = listener.accept()
    with connection:
        connection.recv(100)
        time.sleep(0.35)
        connection.sendall(b"BYE\r\n")


async def use(address):
    connection = Connection(address)
    await asyncio.sleep(0.01)
    assert connection.socket.fileno() > 0
    del connection
    return "done"


async def main():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,)).start()
        print(await asyncio.gather(use(listener.getsockname()), asyncio.sleep(0.1)))


asyncio.run(main())
