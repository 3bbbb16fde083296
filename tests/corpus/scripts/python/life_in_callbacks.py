"""A game that a callback moves on, again and again."""

import asyncio
import itertools
import random


class Life:
    def __init__(self, size):
        random.seed(4)
        self.size, self.generation = size, 0
        self.cells = {(random.randrange(size), random.randrange(size)) for _ in range(size * size // 4)}

    def neighbours(self, x, y):
        for dx, dy in itertools.product((-1, 0, 1), repeat=2):  # blocks: python
            if dx or dy:  # blocks: python
                yield (x + dx) % self.size, (y + dy) % self.size  # blocks: python

    def step(self):
        counts = {}
        for cell in self.cells:
            for other in self.neighbours(*cell):  # blocks: python
                counts[other] = counts.get(other, 0) + 1  # blocks: python
        self.cells = {c for c, n in counts.items() if n == 3 or (n == 2 and c in self.cells)}  # blocks: python
        self.generation += 1


def tick(loop, life):
    life.step()
    if life.generation < 4:
        loop.call_later(0.005, tick, loop, life)
    else:
        loop.stop()


loop = asyncio.new_event_loop()
loop.call_soon(tick, loop, Life(300))
beat = loop.create_task(asyncio.sleep(0.05))
loop.run_forever()
loop.run_until_complete(beat)
loop.close()
