/* CPython 3.12 keeps a raised exception as one object; 3.11 keeps three. */
#ifndef FOURNIL_EXCEPTIONS_H
#define FOURNIL_EXCEPTIONS_H

#include <Python.h>

/* Clear the error indicator and return the exception that it held, a new reference. */
static inline PyObject *take_raised_exception(void) {
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != NULL)
        PyException_SetTraceback(value, traceback);
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return value;
#endif
}

/* Set the error indicator to an exception, with the traceback that it has. */
static inline void raise_again(PyObject *error) {
    Py_INCREF(error);
#if PY_VERSION_HEX >= 0x030C0000
    PyErr_SetRaisedException(error);
#else
    Py_INCREF(Py_TYPE(error));
    PyErr_Restore((PyObject *)Py_TYPE(error), error, PyException_GetTraceback(error));
#endif
}
#endif
