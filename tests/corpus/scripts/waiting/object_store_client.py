"""A storage client in the way of boto3: made of a service's model, with retries inside."""

import asyncio
import http.client
import random
import socketserver
import threading
import time


class Storage(socketserver.StreamRequestHandler):
    def handle(self):
        while self.rfile.readline().strip():
            pass
        time.sleep(0.25)
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nbread")


class Session:
    def __init__(self, port):
        self.port = port

    def client(self, service):
        methods = {f"{verb}_object": self._method(verb) for verb in ("get", "head", "delete")}
        return type(f"{service.title()}Client", (), methods)()

    def _method(self, verb):
        def call(client, *, Bucket, Key):
            return self._request(verb.upper(), f"/{Bucket}/{Key}")

        call.__name__ = f"{verb}_object"
        return call

    def _request(self, verb, path, retries=3):
        for attempt in range(retries):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            try:
                connection.request(verb, path)
                return connection.getresponse().read()  # blocks: waiting
            except OSError:
                time.sleep(random.random() * 2**attempt)
            finally:
                connection.close()
        raise TimeoutError(path)


async def load(client, key):
    await asyncio.sleep(0)
    return client.get_object(Bucket="shop", Key=key)


async def main():
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Storage) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        s3 = Session(server.server_address[1]).client("s3")
        async with asyncio.TaskGroup() as group:
            for key in ("a.png", "b.png"):
                group.create_task(load(s3, key))
        server.shutdown()


asyncio.run(main())
