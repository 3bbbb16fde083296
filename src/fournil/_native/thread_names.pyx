"""The names of threads, as `threading` keeps them: a subclass may override `name`."""

import threading

from cpython.pythread cimport PyThread_get_thread_ident
from libc.stdint cimport uint32_t, uint64_t

from fournil._native.layout cimport SAMPLE_NAME, Sample
from fournil._native.names cimport own_value, plain
from fournil._native.ring cimport Ring
from fournil._native.sys.ticks cimport ticks_choose, ticks_now

ticks_choose()


cdef str thread_name():
    """Return the name of this thread."""
    threads = getattr(threading, "_active", None)
    if type(threads) is not dict:
        return ""
    return name_in(threads.get(PyThread_get_thread_ident()))


cdef str name_of_thread(uint64_t tid):
    """Return the name of the thread with a native number; nothing where there is none."""
    threads = getattr(threading, "_active", None)
    if type(threads) is not dict:
        return ""
    for thread in list((<dict> threads).values()):
        number = own_value(thread, "_native_id")
        if type(number) is int and number == tid:
            return name_in(thread)
    return ""


cdef str name_in(object thread):
    name = own_value(thread, "_name")
    return plain(name) if isinstance(name, str) else ""


cdef void name_holder(Ring ring, int slot) noexcept:
    """Write down the name of the thread that had the GIL for which a loop waited, if any has."""
    cdef uint64_t tid = ring.gil_holders[slot]
    cdef Sample *sample
    cdef uint32_t name
    if tid == 0:
        return
    ring.gil_holders[slot] = 0
    try:
        name = ring.intern(name_of_thread(tid))
    except Exception:  # no memory
        return
    if name:
        sample = ring.next_sample()
        sample.at = ticks_now()
        sample.subject = <uint32_t> tid
        sample.stack = name
        sample.kind = SAMPLE_NAME
