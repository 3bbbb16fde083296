"""Hundreds of timers, most of them cancelled."""

import asyncio


class Limiter:
    def __init__(self, loop):
        self.loop, self.timers, self.fired = loop, {}, 0

    def touch(self, key):
        if key in self.timers:
            self.timers[key].cancel()
        self.timers[key] = self.loop.call_later(0.2, self.expire, key)

    def expire(self, key):
        self.fired += 1
        del self.timers[key]


async def main():
    limiter = Limiter(asyncio.get_running_loop())
    for round_ in range(50):
        for key in range(200):
            limiter.touch((key + round_) % 300)
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.4)
    print(limiter.fired)


asyncio.run(main())
