/* Where a socket object of the `socket` module keeps its descriptor: its first field in each
 * CPython from 3.11 to 3.15 (PySocketSockObject in Modules/socketmodule.h, which is not
 * installed). It is -1 once the object is closed or detached. */
#ifndef FOURNIL_SOCKET_OBJECT_H
#define FOURNIL_SOCKET_OBJECT_H

#include <Python.h>

typedef struct {
    PyObject_HEAD
    int descriptor;
} SocketObject;

#endif
