"""Whether a class of asyncio's still has its own methods, or somebody replaced some.

A native method that stands for one of asyncio's asks this first, at each call: programs replace
methods of classes at any time, as tracers and tests do.
"""

import sys

from cpython.object cimport PyObject

cdef extern from "Python.h":
    ctypedef struct PyTypeObject:
        unsigned int tp_version_tag


cdef class Originals:
    """Methods of a class that native ones stand for."""

    def __cinit__(self, type owner not None, *names):
        self.owner = owner
        self.names = names
        self.globals = sys.modules[owner.__module__].__dict__

    cdef bint changed(self) except -1:
        """Return whether one of the methods is not asyncio's own."""
        # CPython gives a class another number at each change of it or of its bases; 0 means that
        # it has none yet.
        cdef unsigned int version = (<PyTypeObject *> <PyObject *> self.owner).tp_version_tag
        if version == self.version and version != 0:
            return False
        for name in self.names:
            # `functools.wraps` copies all that names a function, and not where it looks up names.
            function = getattr(self.owner, name)
            if getattr(function, "__globals__", None) is not self.globals:
                return True
        self.version = (<PyTypeObject *> <PyObject *> self.owner).tp_version_tag
        return False
