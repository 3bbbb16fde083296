"""Stacks of a watched thread: from its frames, or from what it wrote on a signal.

Both become the text that a recording holds: a line a frame, innermost first, each
with file, line and function separated by the unit separator.
"""

from cpython.object cimport PyObject
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memchr, memcmp, memcpy, strlen

from fournil._native.ring cimport Ring
from fournil._native.sys.threads cimport (
    pthread_mutex_init,
    pthread_mutex_lock,
    pthread_mutex_unlock,
)

cdef extern from "Python.h":
    ctypedef struct PyThreadState:
        pass
    ctypedef struct PyFrameObject:
        pass
    ctypedef struct PyCodeObject:
        PyObject *co_filename
        PyObject *co_qualname
    PyFrameObject *PyThreadState_GetFrame(PyThreadState *)
    PyCodeObject *PyFrame_GetCode(PyFrameObject *)
    PyFrameObject *PyFrame_GetBack(PyFrameObject *)
    int PyFrame_GetLineNumber(PyFrameObject *)
    const char *PyUnicode_AsUTF8(PyObject *)
    void Py_DECREF(void *)
    void PyErr_Clear()
    int PyGC_Disable()
    int PyGC_Enable()


cdef class StackStore:
    """Stores each stack once in a recording's text."""

    def __cinit__(self, Ring ring):
        self.ring = ring
        pthread_mutex_init(&self.lock, NULL)

    cdef uint32_t store(self, const char *stack, size_t length) noexcept nogil:
        """Return the offset of a stack in the text, 0 when there is no room."""
        cdef uint64_t hash = <uint64_t> 0xCBF29CE484222325  # FNV-1a, 64 bits
        cdef KnownStack *place
        cdef uint32_t text
        cdef size_t i
        for i in range(length):
            hash = (hash ^ <unsigned char> stack[i]) * <uint64_t> 0x100000001B3
        place = &self.known[hash % KNOWN_STACKS]
        pthread_mutex_lock(&self.lock)
        if place.hash == hash and place.text:
            text = place.text
        else:
            text = self.ring.write_text(stack, length)
            place.hash = hash
            place.text = text
        pthread_mutex_unlock(&self.lock)
        return text


cdef size_t append_frame(
    char *stack, size_t used, const char *file, int file_length, int line, const char *function, int function_length
) noexcept nogil:
    """Append one frame; return the new length, or `used` when there is no room."""
    cdef int written = snprintf(
        stack + used, STACK_BYTES - used, "%.*s\x1f%d\x1f%.*s\n",
        file_length, file, line, function_length, function,
    )
    if written < 0 or used + written >= STACK_BYTES:
        return used
    return used + written


cdef size_t walk_frames(void *state, char *stack, bint *cut) noexcept:
    """Write the stack of a thread that holds no GIL, while the caller does; return its length."""
    # A collection would run finalizers in this thread, which is none of the program's.
    cdef int collects = PyGC_Disable()
    cdef PyFrameObject *frame = PyThreadState_GetFrame(<PyThreadState *> state)
    cdef PyFrameObject *back
    cdef PyCodeObject *code
    cdef const char *file
    cdef const char *function
    cdef size_t used = 0
    cdef size_t longer
    cdef int frames = 0
    cut[0] = False
    while frame != NULL:
        if frames == STACK_FRAMES:
            cut[0] = True
            Py_DECREF(frame)
            break
        code = PyFrame_GetCode(frame)
        file = PyUnicode_AsUTF8(code.co_filename)
        function = PyUnicode_AsUTF8(code.co_qualname)
        if file == NULL or function == NULL:
            PyErr_Clear()  # a lone surrogate in a name
            if file == NULL:
                file = b"?"
            if function == NULL:
                function = b"?"
        longer = append_frame(
            stack, used, file, <int> strlen(file), PyFrame_GetLineNumber(frame),
            function, <int> strlen(function),
        )
        Py_DECREF(code)
        if longer == used:
            cut[0] = True
            Py_DECREF(frame)
            break
        used = longer
        frames += 1
        back = PyFrame_GetBack(frame)
        Py_DECREF(frame)
        frame = back
    if collects:
        PyGC_Enable()
    return used


cdef const char *find(const char *text, size_t length, const char *what) noexcept nogil:
    """Return the last place of `what` in `text`, or NULL."""
    cdef size_t size = strlen(what)
    cdef size_t i
    if length < size:
        return NULL
    i = length - size + 1
    while i > 0:
        i -= 1
        if memcmp(text + i, what, size) == 0:
            return text + i
    return NULL


cdef size_t parse_dump(const char *dump, size_t length, char *stack, bint *cut) noexcept nogil:
    """Turn faulthandler's text into a stack; return its length."""
    # A frame's line is:   File "/path/of.py", line 12 in function
    cdef const char *line = dump
    cdef const char *end = dump + length
    cdef const char *stop
    cdef const char *quote
    cdef const char *name
    cdef const char *digit
    cdef size_t used = 0
    cdef size_t longer
    cdef int number
    cut[0] = False
    while line < end:
        stop = <const char *> memchr(line, c"\n", end - line)
        if stop == NULL:
            stop = end
        if stop - line > 8 and memcmp(line, b'  File "', 8) == 0:
            quote = find(line + 8, stop - line - 8, b'", line ')
            if quote != NULL:
                digit = quote + 8
                number = 0
                while digit < stop and c"0" <= digit[0] <= c"9":
                    number = number * 10 + (digit[0] - c"0")
                    digit += 1
                name = digit + 4 if stop - digit > 4 else stop  # after " in "
                longer = append_frame(
                    stack, used, line + 8, <int> (quote - line - 8), number, name, <int> (stop - name)
                )
                if longer == used:
                    cut[0] = True
                    break
                used = longer
        elif stop - line >= 5 and memcmp(line, b"  ...", 5) == 0:
            cut[0] = True
        line = stop + 1
    return used
