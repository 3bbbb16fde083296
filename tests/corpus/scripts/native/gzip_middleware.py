"""Answers are compressed by a middleware."""

import asyncio
import gzip

BODY = b"".join(b"%d loaves of rye; " % (n * n % 9973) for n in range(400_000))


async def app(request):
    await asyncio.sleep(0)
    return BODY


def compressed(inner):
    async def middleware(request):
        body = await inner(request)
        return gzip.compress(body, 9)  # blocks: native

    return middleware


async def main():
    app_with_gzip = compressed(app)
    answers = await asyncio.gather(*(app_with_gzip(n) for n in range(2)))
    print([len(answer) for answer in answers])


asyncio.run(main())
