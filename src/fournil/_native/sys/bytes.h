/* Bytes objects that one owner alone holds, and may therefore still change. */
#ifndef FOURNIL_BYTES_H
#define FOURNIL_BYTES_H

#include <Python.h>

static inline int bytes_alone(PyObject *bytes) {
    return Py_REFCNT(bytes) == 1;
}

/* Set the length, at most that which the object was made with. */
static inline void bytes_set_length(PyObject *bytes, Py_ssize_t length) {
    Py_SET_SIZE((PyVarObject *)bytes, length);
    PyBytes_AS_STRING(bytes)[length] = '\0';
    /* The field is deprecated for everyone but the owner of the contents, as here. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    ((PyBytesObject *)bytes)->ob_shash = -1;
#pragma GCC diagnostic pop
}
#endif
