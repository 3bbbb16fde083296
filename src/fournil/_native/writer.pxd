cdef object DONE

# Have a writer that a server's protocol made write natively.
cdef int write_natively(writer) except -1
