"""Manifests are read by PyYAML's own loader."""

import asyncio

import yaml

MANIFEST = "\n".join(f"- name: shop-{n}\n  image: bread:{n}\n  ports: [80, 443]" for n in range(900))


async def apply():
    await asyncio.sleep(0)
    return len(yaml.safe_load(MANIFEST))  # blocks: python


async def main():
    async with asyncio.TaskGroup() as group:
        group.create_task(apply())
        group.create_task(asyncio.sleep(0))


asyncio.run(main())
