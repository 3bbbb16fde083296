"""What a task found is stored by a callback of its end."""

import asyncio
import time


class Store:
    def __init__(self):
        self.rows = []

    def insert(self, row):
        time.sleep(0.15)  # blocks: waiting
        self.rows.append(row)


async def fetch(number):
    await asyncio.sleep(0.01 * number)
    return number


async def main():
    store = Store()
    tasks = [asyncio.create_task(fetch(number)) for number in range(3)]
    for task in tasks:
        task.add_done_callback(lambda task: store.insert(task.result()))
    await asyncio.gather(*tasks)
    await asyncio.sleep(0)
    print(store.rows)


asyncio.run(main())
