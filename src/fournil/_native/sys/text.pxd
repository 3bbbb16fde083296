from libc.stddef cimport size_t

cdef extern from "sys/text.h":
    ctypedef struct Text:
        char *bytes
        size_t size
        size_t used
        bint cut
    void text_put_string(Text *text, object string) noexcept
