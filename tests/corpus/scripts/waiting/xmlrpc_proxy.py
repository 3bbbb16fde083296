"""An old inventory service is asked by XML-RPC."""

import asyncio
import threading
import time
import xmlrpc.client
import xmlrpc.server


def stock(name):
    time.sleep(0.3)
    return len(name)


server = xmlrpc.server.SimpleXMLRPCServer(("127.0.0.1", 0), logRequests=False)
server.register_function(stock)
threading.Thread(target=server.serve_forever, daemon=True).start()


class Inventory:
    def __init__(self, port):
        self._proxy = xmlrpc.client.ServerProxy(f"http://127.0.0.1:{port}")

    def __getattr__(self, name):
        return getattr(self._proxy, name)

    async def has(self, name):
        return self.stock(name) > 0  # blocks: waiting


async def main():
    inventory = Inventory(server.server_address[1])
    beats = asyncio.create_task(asyncio.sleep(0.1))
    print(await asyncio.gather(*(inventory.has(name) for name in ("rye", "spelt"))))
    await beats


asyncio.run(main())
