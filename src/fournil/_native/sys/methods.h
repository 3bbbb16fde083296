#ifndef FOURNIL_METHODS_H
#define FOURNIL_METHODS_H

#include <Python.h>

/* Add a method to a type; `definition` must live as long as the type. Returns -1 with an
 * exception set on failure. */
static inline int add_method(PyObject *type, PyMethodDef *definition) {
    PyTypeObject *target = (PyTypeObject *)type;
    PyObject *method = PyDescr_NewMethod(target, definition);
    if (method == NULL)
        return -1;
    int failed = PyDict_SetItemString(target->tp_dict, definition->ml_name, method);
    Py_DECREF(method);
    PyType_Modified(target);
    return failed;
}

#endif
