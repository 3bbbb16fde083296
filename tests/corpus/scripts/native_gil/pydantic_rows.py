"""Rows are validated by pydantic's core."""

import asyncio

import pydantic


class Row(pydantic.BaseModel):
    id: int
    name: str
    price: float
    tags: list[str] = []


ROWS = pydantic.TypeAdapter(list[Row])


async def accept(data):
    await asyncio.sleep(0)
    return len(ROWS.validate_python(data))  # blocks: native-gil|gc


async def main():
    data = [{"id": str(n), "name": f"rye {n}", "price": "2.5", "tags": ["a", "b"]} for n in range(150_000)]
    print(await asyncio.gather(accept(data), asyncio.sleep(0)))


asyncio.run(main())
