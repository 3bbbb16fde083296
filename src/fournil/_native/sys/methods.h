#ifndef FOURNIL_METHODS_H
#define FOURNIL_METHODS_H

#include <Python.h>

/* Add a method of the convention METH_FASTCALL | METH_KEYWORDS to a type; `definition`, which is
 * filled, must live as long as the type. Returns -1 with an exception set on failure. */
static inline int add_method(PyObject *type, PyMethodDef *definition, const char *name,
                             void *function, const char *doc) {
    PyTypeObject *target = (PyTypeObject *)type;
    definition->ml_name = name;
    definition->ml_meth = (PyCFunction)function;
    definition->ml_flags = METH_FASTCALL | METH_KEYWORDS;
    definition->ml_doc = doc;
    PyObject *method = PyDescr_NewMethod(target, definition);
    if (method == NULL)
        return -1;
    int failed = PyDict_SetItemString(target->tp_dict, definition->ml_name, method);
    Py_DECREF(method);
    PyType_Modified(target);
    return failed;
}

#endif
