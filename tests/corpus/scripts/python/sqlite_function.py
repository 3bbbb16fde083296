"""A query calls a Python function for each row."""

import asyncio
import sqlite3


def soundex(name):
    codes = {"b": "1", "f": "1", "c": "2", "s": "2", "d": "3", "t": "3", "l": "4", "m": "5", "r": "6"}
    return name[0] + "".join(codes.get(letter, "") for letter in name.lower())[:3]  # blocks: python


database = sqlite3.connect(":memory:")
database.create_function("soundex", 1, soundex)
database.execute("create table customers (name)")
database.executemany("insert into customers values (?)", ((f"Baldermann {n}",) for n in range(110_000)))


async def search(name):
    await asyncio.sleep(0)
    query = "select count(*) from customers where soundex(name) = soundex(?)"
    return database.execute(query, [name]).fetchone()


async def main():
    print(await asyncio.gather(search("Baldermen"), asyncio.sleep(0)))


asyncio.run(main())
