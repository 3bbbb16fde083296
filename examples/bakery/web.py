"""As much of HTTP/1.1 as the bakery needs: requests without a body, answers in JSON."""

from __future__ import annotations

import json
from asyncio import IncompleteReadError, StreamReader, StreamWriter
from typing import Any

HOST = "127.0.0.1"


async def read_request(reader: StreamReader) -> str | None:
    """Return the path that a client asks for; None when it has closed the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except IncompleteReadError as error:
        if error.partial:
            raise
        return None
    return head.split(b" ", 2)[1].decode()


async def answer(writer: StreamWriter, value: Any) -> None:
    """Send the answer to a request."""
    body = json.dumps(value).encode()
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )
    await writer.drain()


async def ask(reader: StreamReader, writer: StreamWriter, path: str) -> Any:
    """Return what a server answers to one request; the connection can be used for more."""
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    return json.loads(await reader.readexactly(length))
