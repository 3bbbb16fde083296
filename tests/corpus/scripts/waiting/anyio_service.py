"""A service of anyio asks a device that answers slowly."""

import select
import socket
import threading
import time

import anyio


def answer_late(connection):
    connection.recv(10)
    time.sleep(0.35)
    connection.send(b"21.5")


async def poll(device):
    await anyio.sleep(0.01)
    device.send(b"T?")
    select.select([device], [], [], 5)  # blocks: waiting
    return device.recv(10)


async def main():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        threading.Thread(target=answer_late, args=(theirs,)).start()
        async with anyio.create_task_group() as group:
            group.start_soon(poll, ours)
            group.start_soon(anyio.sleep, 0.1)


anyio.run(main)
