"""A query that no index helps."""

import asyncio
import sqlite3

database = sqlite3.connect(":memory:", check_same_thread=False)
database.execute("create table sales (shop, day, total)")
database.executemany("insert into sales values (?, ?, ?)", ((n % 50, n % 365, n) for n in range(3_000)))


class Sales:
    async def best_pairs(self):
        query = "select count(*) from sales a join sales b on a.total + b.total > 2500 and a.day < b.day"
        cursor = database.execute(query)  # blocks: native
        return cursor.fetchone()  # blocks: native


async def main():
    print(await asyncio.gather(Sales().best_pairs(), asyncio.sleep(0)))


asyncio.run(main())
