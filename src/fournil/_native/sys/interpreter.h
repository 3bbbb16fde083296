/* Whether the interpreter ends: a thread that asks for the GIL then never gets it. */
#ifndef FOURNIL_INTERPRETER_H
#define FOURNIL_INTERPRETER_H

#include <Python.h>

static inline int interpreter_ends(void) {
#if PY_VERSION_HEX >= 0x030D0000
    return Py_IsFinalizing();
#else
    return _Py_IsFinalizing();
#endif
}

#endif
