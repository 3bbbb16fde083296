/* How often a dictionary was changed, as a number that is read at no cost: CPython 3.11 counts in
 * the dictionary, later ones tell a watcher. */
#ifndef FOURNIL_DICT_CHANGES_H
#define FOURNIL_DICT_CHANGES_H

#include <Python.h>

#if PY_VERSION_HEX >= 0x030C0000

/* Written with the GIL held. 0 is the number of no count: where CPython has no watcher left, it is
 * what stays, and whoever compares it with what was there finds a change each time. */
static uint64_t dict_changes_seen = 0;

static int dict_changes_watcher(PyDict_WatchEvent event, PyObject *dict, PyObject *key,
                                PyObject *value) {
    (void)event, (void)dict, (void)key, (void)value;
    dict_changes_seen++;
    return 0;
}

/* Return where the changes of a dictionary are counted; of one for each module. */
static inline const uint64_t *dict_changes(PyObject *dict) {
    int watcher = PyDict_AddWatcher(dict_changes_watcher);
    if (watcher >= 0 && PyDict_Watch(watcher, dict) == 0)
        dict_changes_seen = 1;
    PyErr_Clear();
    return &dict_changes_seen;
}

#else

static inline const uint64_t *dict_changes(PyObject *dict) {
    return &((PyDictObject *)dict)->ma_version_tag;
}

#endif
#endif
