cdef extern from "sys/processor.h" nogil:
    void processor_relax()
    void processor_offer()
    long processor_taken()
