"""A large file of settings is read with tomllib."""

import asyncio
import tomllib

TEXT = "\n".join(f'[shop{n}]\nname = "Shop {n}"\nopen = 07:30:00\nprices = [1.5, 2.25, {n}]' for n in range(6_000))


async def reload():
    await asyncio.sleep(0)
    settings = tomllib.loads(TEXT)  # blocks: python
    return len(settings)


async def main():
    print(await asyncio.gather(reload(), asyncio.sleep(0)))


asyncio.run(main())
