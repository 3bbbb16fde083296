"""What a session saw is summarized when it goes away."""

import asyncio


class Session:
    def __init__(self, events):
        self.events = events

    def __del__(self):
        counts = {}
        for event in self.events:
            word = event.partition(":")[0].strip().title()  # blocks: python
            counts[word] = counts.get(word, 0) + len(event)  # blocks: python
        print(len(counts))


async def visit(events):
    session = Session(events)
    await asyncio.sleep(0.01)
    return len(session.events)


async def main():
    events = [f"click{n % 9}: {n}" for n in range(700_000)]
    print(await asyncio.gather(visit(events), asyncio.sleep(0.01)))


asyncio.run(main())
