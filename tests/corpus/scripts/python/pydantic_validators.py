"""Models whose fields are checked by functions of their own."""

import asyncio

import pydantic


class Order(pydantic.BaseModel):
    bread: str
    codes: list[str]

    @pydantic.field_validator("codes")
    @classmethod
    def check(cls, codes):
        for code in codes:
            digits = [int(digit) for digit in code]  # blocks: python
            if sum(d * (i % 2 + 1) for i, d in enumerate(digits)) % 10 > 9:  # blocks: python
                raise ValueError(code)
        return codes


async def accept(documents):
    await asyncio.sleep(0)
    return [Order.model_validate(document) for document in documents]


async def main():
    documents = [{"bread": "rye", "codes": [f"{n:012d}"] * 8} for n in range(9_000)]
    orders, _ = await asyncio.gather(accept(documents), asyncio.sleep(0))
    print(len(orders))


asyncio.run(main())
