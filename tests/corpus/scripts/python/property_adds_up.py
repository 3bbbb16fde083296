"""A property adds up whatever is in a cart, each time."""

import asyncio
import decimal


class Cart:
    def __init__(self, prices):
        self.prices = [decimal.Decimal(price) for price in prices]

    @property
    def total(self):
        total = decimal.Decimal()
        for price in self.prices:
            total += price * decimal.Decimal("1.07") if price > 3 else price  # blocks: python
        return total.quantize(decimal.Decimal("0.01"))


async def show(cart):
    await asyncio.sleep(0)
    return f"{cart.total} EUR"


async def main():
    cart = Cart([n % 13 for n in range(900_000)])
    print(await asyncio.gather(show(cart), show(cart)))


asyncio.run(main())
