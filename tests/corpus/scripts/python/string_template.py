"""Letters are made with string.Template."""

import asyncio
import string

LETTER = string.Template("Dear $name,\nyour $bread costs $$ $price.\n")


def letters(customers):
    for customer in customers:
        yield LETTER.substitute(customer)  # blocks: python


async def send(customers):
    size = sum(map(len, letters(customers)))
    await asyncio.sleep(0)
    return size


async def main():
    customers = [{"name": f"N{n}", "bread": "rye", "price": n} for n in range(90_000)]
    print(await asyncio.gather(send(customers), asyncio.sleep(0)))


asyncio.run(main())
