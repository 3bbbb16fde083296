from libc.stdint cimport uint64_t

cdef extern from "sys/dict_changes.h":
    const uint64_t *dict_changes(dict watched)
