"""A password is checked at the login."""

import asyncio

import bcrypt

STORED = bcrypt.hashpw(b"rye", bcrypt.gensalt(rounds=12))


async def login(password):
    await asyncio.sleep(0)
    return bcrypt.checkpw(password, STORED)  # blocks: native


async def main():
    print(await asyncio.gather(login(b"rye"), login(b"wheat")))


asyncio.run(main())
