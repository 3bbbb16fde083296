cdef extern from "sys/interpreter.h" nogil:
    bint interpreter_ends()
