from cpython.object cimport PyObject

# Of a thread that waits for the GIL, which the caller has; see the header.
cdef extern from "sys/frame_locals.h":
    ctypedef struct PyThreadState:
        pass
    ctypedef struct PyCodeObject:
        pass
    ctypedef struct StackFrame:
        pass
    StackFrame *frame_innermost(const PyThreadState *state)
    StackFrame *frame_caller(const StackFrame *frame)
    PyCodeObject *frame_code(const StackFrame *frame)
    int frame_variables(const PyCodeObject *code)
    PyObject *frame_name(const PyCodeObject *code, int number)
    PyObject *frame_value(const StackFrame *frame, int number)
