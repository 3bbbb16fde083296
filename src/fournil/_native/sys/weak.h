/* Whether a weak reference is one to this object. CPython 3.13 brought PyWeakref_GetRef and
 * deprecated PyWeakref_GetObject. */
#ifndef FOURNIL_WEAK_H
#define FOURNIL_WEAK_H

#include <Python.h>

static inline int weak_is(PyObject *weak, PyObject *object) {
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *found = NULL;
    int alive = PyWeakref_GetRef(weak, &found);
    Py_XDECREF(found);
    return alive == 1 && found == object;
#else
    return PyWeakref_GetObject(weak) == object;
#endif
}
#endif
