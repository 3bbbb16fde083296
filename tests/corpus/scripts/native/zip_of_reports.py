"""Reports are put into a zip archive."""

import asyncio
import io
import zipfile

TEXT = "".join(f"{n * n % 9973} loaves of rye; " for n in range(250_000))


def archive(reports):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for name, text in reports.items():
            file.writestr(name, text)  # blocks: native
    return buffer.getvalue()


async def download():
    await asyncio.sleep(0)
    return len(archive({"may.txt": TEXT, "june.txt": TEXT}))


async def main():
    print(await asyncio.gather(download(), asyncio.sleep(0)))


asyncio.run(main())
