"""A client of a protocol of lines, written long before asyncio."""

import asyncio
import socket
import threading
import time


class Scale:
    """A scale that says what lies on it."""

    def __init__(self, address):
        self._socket = socket.create_connection(address)
        self._file = self._socket.makefile("rwb")

    def _command(self, text):
        self._file.write(text + b"\r\n")
        self._file.flush()
        return self._file.readline().rstrip()  # blocks: waiting

    @property
    def grams(self):
        return int(self._command(b"SI"))

    def close(self):
        self._file.close()
        self._socket.close()


def serve(listener):
    connection, _ = listener.accept()
    with connection, connection.makefile("rwb") as file:
        for _ in file:
            time.sleep(0.2)
            file.write(b"1050\r\n")
            file.flush()


async def watch(scale):
    for _ in range(2):
        print(scale.grams)
        await asyncio.sleep(0.01)


async def main():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        scale = Scale(listener.getsockname())
        await asyncio.gather(watch(scale), watch(scale))
        scale.close()


asyncio.run(main())
