"""Plugins are compiled when they are uploaded."""

import asyncio

PLUGIN = "\n".join(f"def price{n}(count, tax=({n}, 7)):\n    return [x * tax[0] for x in range(count)]" for n in range(4_000))


async def install(source):
    await asyncio.sleep(0)
    code = compile(source, "plugin.py", "exec")  # blocks: native-gil
    return len(code.co_consts)


async def main():
    print(await asyncio.gather(install(PLUGIN), asyncio.sleep(0)))


asyncio.run(main())
