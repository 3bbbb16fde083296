"""An import logs each row that it reads."""

import asyncio
import logging
import tempfile

log = logging.getLogger("import")


async def import_rows(rows):
    for number, row in enumerate(rows):
        log.info("row %d: %s costs %.2f", number, row["name"], row["price"])  # blocks: python


async def main():
    with tempfile.NamedTemporaryFile("w") as file:
        logging.basicConfig(filename=file.name, level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
        rows = [{"name": f"rye {n}", "price": n / 9} for n in range(40_000)]
        await asyncio.gather(import_rows(rows), asyncio.sleep(0))


asyncio.run(main())
