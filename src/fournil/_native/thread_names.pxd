from libc.stdint cimport uint64_t

from fournil._native.ring cimport Ring


cdef str thread_name()
cdef str name_of_thread(uint64_t tid)
cdef void name_holder(Ring ring, int slot) noexcept
