"""Passwords are kept with scrypt, through cryptography."""

import asyncio
import os

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt


def protect(password):
    kdf = Scrypt(salt=os.urandom(16), length=32, n=2**16, r=8, p=1)
    return kdf.derive(password)  # blocks: native


async def register(password):
    await asyncio.sleep(0)
    return protect(password).hex()


async def main():
    print(await asyncio.gather(*(register(word) for word in (b"rye", b"wheat"))))


asyncio.run(main())
