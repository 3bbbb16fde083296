"""A device is waited for through cffi."""

import asyncio

import cffi

ffi = cffi.FFI()
ffi.cdef("struct pollfd { int fd; short events; short revents; }; int poll(struct pollfd *, unsigned long, int);")
libc = ffi.dlopen(None)


def wait_for_device(timeout_ms):
    none = ffi.new("struct pollfd *", {"fd": -1, "events": 1})
    return libc.poll(none, 1, timeout_ms)  # blocks: waiting


async def handler():
    await asyncio.sleep(0)
    return wait_for_device(300)


async def main():
    print(await asyncio.gather(handler(), asyncio.sleep(0.05)))


asyncio.run(main())
