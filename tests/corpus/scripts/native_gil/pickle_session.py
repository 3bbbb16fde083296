"""A session is stored with pickle."""

import asyncio
import pickle


class Store:
    def __init__(self):
        self._data = {}

    def __setitem__(self, key, value):
        self._data[key] = pickle.dumps(value)  # blocks: native-gil


async def save(store, key, session):
    await asyncio.sleep(0)
    store[key] = session


async def main():
    session = {"events": [{"at": n / 3, "path": f"/page/{n}", "by": ("a", n)} for n in range(200_000)]}
    store = Store()
    await asyncio.gather(save(store, "a", session), save(store, "b", session))


asyncio.run(main())
