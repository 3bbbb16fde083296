"""An answer is made of nested dataclasses."""

import asyncio
import dataclasses


@dataclasses.dataclass
class Line:
    bread: str
    count: int
    tags: list[str]


@dataclasses.dataclass
class Order:
    number: int
    lines: list[Line]


async def as_answer(order):
    await asyncio.sleep(0)
    return dataclasses.asdict(order)  # blocks: python


async def main():
    order = Order(1, [Line(f"rye {n}", n, ["fresh", "dark"]) for n in range(35_000)])
    answers = await asyncio.gather(as_answer(order), as_answer(order))
    print(len(answers[0]["lines"]))


asyncio.run(main())
