/* Reading attributes of the program's objects without running code of the program.
 *
 * A property, `__getattr__`, `__getattribute__` or a metaclass answers by Python code, which may
 * raise, hang, or change what it is asked about. C code that a type was made with does not. */
#ifndef FOURNIL_ATTRIBUTES_H
#define FOURNIL_ATTRIBUTES_H

#include <Python.h>

/* What a descriptor makes of an object, a new reference; NULL, with no exception set: nothing. */
static inline PyObject *attribute_by(PyObject *descriptor, PyObject *owner) {
    descrgetfunc get = Py_TYPE(descriptor)->tp_descr_get;
    PyObject *value = get == NULL ? NULL : get(descriptor, owner, (PyObject *)Py_TYPE(owner));
    if (value == NULL)
        PyErr_Clear();
    return value;
}

/* An attribute that the type's own C code keeps in a field of the object, a new reference. NULL,
 * with no exception set: there is none, or Python code might answer. */
static inline PyObject *attribute_of_c(PyObject *owner, PyObject *name) {
    PyTypeObject *type = Py_TYPE(owner);
    if (type->tp_getattro != PyObject_GenericGetAttr)
        return NULL;
    PyObject *descriptor = _PyType_Lookup(type, name);
    if (descriptor == NULL || (!Py_IS_TYPE(descriptor, &PyGetSetDescr_Type) &&
                               !Py_IS_TYPE(descriptor, &PyMemberDescr_Type)))
        return NULL;
    Py_INCREF(descriptor);
    PyObject *value = attribute_by(descriptor, owner);
    Py_DECREF(descriptor);
    return value;
}

/* A value of the object's own dictionary, a new reference. NULL, with no exception set: there is
 * none. */
static inline PyObject *attribute_of_dict(PyObject *owner, PyObject *name) {
    PyObject *dict = PyObject_GenericGetDict(owner, NULL);
    PyObject *value = NULL;
    if (dict != NULL && PyDict_Check(dict)) {
        value = PyDict_GetItemWithError(dict, name);
        Py_XINCREF(value);
    }
    Py_XDECREF(dict);
    PyErr_Clear();
    return value;
}

/* What a class sets as the function that an attribute of its instances is bound from, a new
 * reference; NULL, with no exception set: none. */
static inline PyObject *attribute_of_type(PyObject *owner, PyObject *name) {
    PyObject *value = _PyType_Lookup(Py_TYPE(owner), name);
    Py_XINCREF(value);
    return value;
}

#endif
