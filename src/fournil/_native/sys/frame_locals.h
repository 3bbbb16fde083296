/* The frames of a thread and what their variables hold, read by a thread that has the GIL while the
 * other one waits for it: so nothing changes meanwhile, and nothing of the program's runs.
 *
 * Python's own way, `f_locals`, keeps until the frame ends what it has shown, up to CPython 3.12. */
#ifndef FOURNIL_FRAME_LOCALS_H
#define FOURNIL_FRAME_LOCALS_H

#include "stack_read.h"

static inline StackFrame *frame_innermost(const PyThreadState *state) {
#if PY_VERSION_HEX >= 0x030D0000
    return state->current_frame;
#else
    return state->cframe->current_frame;
#endif
}

static inline StackFrame *frame_caller(const StackFrame *frame) {
    return frame->previous;
}

/* A borrowed reference; NULL for a frame of the interpreter's own. */
static inline PyCodeObject *frame_code(const StackFrame *frame) {
    PyObject *executable = stack_executable(frame);
    const int is_programs = frame->owner == FRAME_OWNED_BY_THREAD ||
                            frame->owner == FRAME_OWNED_BY_GENERATOR ||
                            frame->owner == FRAME_OWNED_BY_FRAME_OBJECT;
    return is_programs && executable != NULL && PyCode_Check(executable)
               ? (PyCodeObject *)executable
               : NULL;
}

static inline int frame_variables(const PyCodeObject *code) {
    return code->co_nlocalsplus;
}

/* A borrowed reference. */
static inline PyObject *frame_name(const PyCodeObject *code, int number) {
    return PyTuple_GET_ITEM(code->co_localsplusnames, number);
}

/* What a variable holds, a new reference; NULL: nothing. */
static inline PyObject *frame_value(const StackFrame *frame, int number) {
    PyObject *value;
#if PY_VERSION_HEX >= 0x030E0000
    /* A tagged reference: its two lowest bits are the tag, both of them of a number. */
    uintptr_t bits;
    memcpy(&bits, &frame->localsplus[number], sizeof bits);
    value = (bits & 3) == 3 ? NULL : (PyObject *)(bits & ~(uintptr_t)3);
#else
    value = frame->localsplus[number];
#endif
    if (value != NULL && PyCell_Check(value))
        return PyCell_Get(value);
    Py_XINCREF(value);
    return value;
}

#endif
