/* Reads the Python stack of a thread, in the thread itself or from another.
 *
 * In the thread itself means in a signal's handler, which may run between any two
 * instructions of the interpreter; from another means without the GIL. CPython's own such
 * reader, faulthandler, takes what it finds for frames; but CPython 3.11 and 3.12 enter
 * Python code that C code calls by pointing the thread at a structure which they fill in some
 * instructions later, and that reader then follows whatever was there, and ends the process.
 * So each piece of memory is first copied by the kernel, which refuses where there is none,
 * and what is copied is checked.
 *
 * The layout of frames is CPython's own, taken from its headers when this is compiled. */
#ifndef FOURNIL_STACK_READ_H
#define FOURNIL_STACK_READ_H

#include <Python.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "collector_state.h"
#include "thread_descriptors.h"
#include "text.h"

#ifndef Py_BUILD_CORE
#define Py_BUILD_CORE 1
#define FOURNIL_BUILD_CORE
#endif
#if PY_VERSION_HEX >= 0x030E0000
#include "internal/pycore_interpframe_structs.h"
#else
#include "internal/pycore_frame.h"
#endif
#ifdef FOURNIL_BUILD_CORE
#undef Py_BUILD_CORE
#undef FOURNIL_BUILD_CORE
#endif

enum {
    STACK_BYTES = 16384,
    STACK_FRAMES = 100,    /* kept of a stack, the innermost */
    STACK_LINKS = 1000,    /* followed at most: memory that is no stack may lead in a circle */
    STACK_NAME = 1000,     /* characters kept of a name */
    STACK_PIECE = 256      /* bytes of a name or a table that are copied at a time */
};

typedef struct _PyInterpreterFrame StackFrame;

/* What was read of a thread. */
typedef struct {
    int gil;       /* whether it held the GIL */
    CollectorSeen collector; /* of a thread that held the GIL */
    size_t length; /* of `text`; 0: it has no stack, or one that could not be read just now */
    /* A line for each frame, innermost first: file, line and function, with the unit
     * separator in between. */
    char text[STACK_BYTES];
} StackSeen;

/* A table of bytes that is copied piece by piece. */
typedef struct {
    const char *next;
    Py_ssize_t left; /* of the table, not copied yet */
    unsigned char piece[STACK_PIECE];
    size_t at, size; /* in the piece */
} StackTable;

/* Who reads, one stack at a time, and room for what is copied: in a signal's handler there may be
 * little of it on the stack. */
typedef struct {
    pid_t pid;
    /* This process's `mem` file: for sandboxes that refuse process_vm_readv; NULL: none. */
    const Descriptor *memory;
    PyThreadState thread;
    CollectorState collector;
    StackFrame frame;
    PyCodeObject code;
    PyCompactUnicodeObject string;
    union {
        Py_UCS1 one[STACK_PIECE];
        Py_UCS2 two[STACK_PIECE / 2];
        Py_UCS4 four[STACK_PIECE / 4];
    } characters;
    StackTable table;
} StackReader;

/* Copy memory that may not be there; return whether it was. */
static int stack_copy(StackReader *reader, void *to, const void *from, size_t size) {
    struct iovec here = {to, size}, there = {(void *)from, size};
    /* Not the C library's function, before which a sanitizer would look at the memory. */
    ssize_t got = syscall(SYS_process_vm_readv, reader->pid, &here, 1, &there, 1, 0);
    if (got < 0 && errno != EFAULT && reader->memory != NULL)
        got = descriptor_read(reader->memory, to, size, (off_t)(uintptr_t)from);
    return got == (ssize_t)size;
}

/* Whether the kernel lets this process copy its own memory, without the file. */
static int stack_copy_works(void) {
    static const int there = 1;
    StackReader reader;
    int here = 0;
    reader.pid = getpid();
    reader.memory = NULL;
    return stack_copy(&reader, &here, &there, sizeof here) && here == there;
}

/* Put a string; return 0 when there is none. */
static int stack_put_string(StackReader *reader, Text *text, const PyObject *string) {
    /* Every string is longer than the shorter head, but a short one may be the last thing in
     * its page, and the longer head then reaches into nothing. */
    if (!stack_copy(reader, &reader->string, string, sizeof(PyASCIIObject)))
        return 0;
    PyASCIIObject *head = &reader->string._base;
    if (Py_TYPE((PyObject *)head) != &PyUnicode_Type || !head->state.compact || head->length < 0)
        return 0;
    size_t kind = head->state.kind;
    if (kind != 1 && kind != 2 && kind != 4)
        return 0;
    size_t left = (size_t)Py_MIN(head->length, (Py_ssize_t)STACK_NAME);
    const char *next = (const char *)string + (head->state.ascii ? sizeof(PyASCIIObject)
                                                                 : sizeof(PyCompactUnicodeObject));
    while (left > 0) {
        size_t count = Py_MIN(left, STACK_PIECE / kind);
        if (!stack_copy(reader, &reader->characters, next, count * kind))
            return 0;
        for (size_t i = 0; i < count; i++) {
            Py_UCS4 character = kind == 1   ? reader->characters.one[i]
                                : kind == 2 ? reader->characters.two[i]
                                            : reader->characters.four[i];
            /* Those would end a field, or a frame. */
            text_put_character(text, character < 0x20 ? '?' : character);
        }
        next += count * kind;
        left -= count;
    }
    return 1;
}

/* What a frame runs: a code object, or None for a frame of the interpreter's own. */
static PyObject *stack_executable(const StackFrame *frame) {
#if PY_VERSION_HEX >= 0x030E0000
    /* A tagged reference: its two lowest bits are the tag. */
    uintptr_t bits;
    memcpy(&bits, &frame->f_executable, sizeof bits);
    return (PyObject *)(bits & ~(uintptr_t)3);
#elif PY_VERSION_HEX >= 0x030D0000
    return frame->f_executable;
#else
    return (PyObject *)frame->f_code;
#endif
}

/* The next byte of the reader's table; -1: none is left. */
static int stack_table_byte(StackReader *reader) {
    StackTable *table = &reader->table;
    if (table->at == table->size) {
        size_t size = (size_t)Py_MIN(table->left, (Py_ssize_t)sizeof table->piece);
        if (table->left <= 0 || !stack_copy(reader, table->piece, table->next, size))
            return -1;
        table->next += size;
        table->left -= (Py_ssize_t)size;
        table->at = 0;
        table->size = size;
    }
    return table->piece[table->at++];
}

/* The line of an instruction, by its place in bytes; 0: it has none. As PyCode_Addr2Line, which
 * reads where the code and its table lie: another thread may have freed both by now. The format
 * is described in CPython's Objects/locations.md. */
static int stack_line(StackReader *reader, ptrdiff_t place) {
    const PyCodeObject *code = &reader->code;
    PyVarObject head;
    int line = code->co_firstlineno, found = 0;
    ptrdiff_t end = 0;
    if (place < 0 || !stack_copy(reader, &head, code->co_linetable, sizeof head))
        return Py_MAX(line, 0);
    reader->table.next = (const char *)code->co_linetable + offsetof(PyBytesObject, ob_sval);
    reader->table.left = Py_SIZE(&head);
    reader->table.at = reader->table.size = 0;
    int byte = stack_table_byte(reader);
    while (byte >= 0 && end <= place) {
        int kind = byte >> 3 & 15;
        end += ((byte & 7) + 1) * (ptrdiff_t)sizeof(_Py_CODEUNIT);
        found = kind != 15;
        byte = stack_table_byte(reader);
        if (kind == 13 || kind == 14) {
            unsigned value = 0, shift = 0;
            for (; byte >= 0 && byte < 128 && shift < 30; shift += 6) {
                int more = byte & 64;
                value |= (unsigned)(byte & 63) << shift;
                byte = stack_table_byte(reader);
                if (!more)
                    break;
            }
            line += value & 1 ? -(int)(value >> 1) : (int)(value >> 1);
        } else if (kind >= 10 && kind <= 12)
            line += kind - 10;
        /* What follows are columns: only the first byte of an entry has its highest bit set. */
        while (byte >= 0 && byte < 128)
            byte = stack_table_byte(reader);
    }
    return found && end > place ? Py_MAX(line, 0) : 0;
}

/* Put one frame; return 0 when it is none. */
static int stack_put_frame(StackReader *reader, Text *text) {
    const StackFrame *frame = &reader->frame;
    const PyCodeObject *code = &reader->code;
    PyObject *executable = stack_executable(frame);
    if (executable == Py_None)
        return 1;
    if (!stack_copy(reader, &reader->code, executable, offsetof(PyCodeObject, co_code_adaptive)) ||
        Py_TYPE((PyObject *)code) != &PyCode_Type)
        return 0;
#if PY_VERSION_HEX >= 0x030D0000
    const char *instruction = (const char *)frame->instr_ptr;
#else
    const char *instruction = (const char *)frame->prev_instr;
#endif
    const ptrdiff_t unit = sizeof(_Py_CODEUNIT);
    const char *first = (const char *)executable + offsetof(PyCodeObject, co_code_adaptive);
    ptrdiff_t at = instruction - first;
    /* A frame that has just been made points before its first instruction. */
    if (at < -unit || at >= Py_SIZE(code) * unit)
        return 0;
    if (frame->owner != FRAME_OWNED_BY_GENERATOR && at < code->_co_firsttraceable * unit)
        return 1; /* it has not begun yet, so that the program has not called it yet */
    size_t before = text->used;
    if (!stack_put_string(reader, text, code->co_filename))
        return 0;
    text_put(text, '\x1f');
    text_put_number(text, stack_line(reader, at));
    text_put(text, '\x1f');
    if (!stack_put_string(reader, text, code->co_qualname))
        return 0;
    text_put(text, '\n');
    if (text->used == text->size)
        text->used = before; /* half a frame is none */
    return 1;
}

static int stack_holds_gil(const PyThreadState *state, const PyThreadState *copy) {
#if PY_VERSION_HEX >= 0x030E0000
    (void)state;
    return copy->holds_gil;
#elif PY_VERSION_HEX >= 0x030D0000
    (void)state;
    return copy->_status.holds_gil;
#elif PY_VERSION_HEX >= 0x030C0000
    (void)state;
    return copy->_status.active;
#else
    (void)copy;
    return _PyThreadState_UncheckedGet() == state; /* of the process, not of this thread */
#endif
}

/* See what the collector does in the interpreter of the thread that was copied last. */
static CollectorSeen stack_collector(StackReader *reader) {
    static const CollectorSeen none;
    if (!collector_is_known || !stack_copy(reader, &reader->collector,
                                           collector_of(reader->thread.interp),
                                           sizeof reader->collector))
        return none;
    return collector_seen(&reader->collector);
}

/* The thread that has the GIL which another one may wait for; NULL: none, or it is not known.
 * Its native number is in `thread` of the reader then. */
static const PyThreadState *stack_gil_holder(StackReader *reader, const PyThreadState *one) {
#if PY_VERSION_HEX >= 0x030C0000
    /* Each interpreter may have a GIL of its own: of its threads, those before and after this. */
    for (int forward = 0; forward < 2; forward++) {
        const PyThreadState *next = one;
        for (int links = 0; next != NULL && links < STACK_LINKS; links++) {
            if (!stack_copy(reader, &reader->thread, next, sizeof reader->thread))
                break;
            if (stack_holds_gil(next, &reader->thread))
                return next;
            next = forward ? reader->thread.next : reader->thread.prev;
        }
    }
    return NULL;
#else
    (void)one;
    const PyThreadState *holder = _PyThreadState_UncheckedGet();
    return holder != NULL && stack_copy(reader, &reader->thread, holder, sizeof reader->thread)
               ? holder
               : NULL;
#endif
}

/* The frame that a thread is in; NULL: none. Returns 0 when it cannot be read. */
static int stack_innermost(StackReader *reader, const StackFrame **frame) {
#if PY_VERSION_HEX >= 0x030D0000
    *frame = reader->thread.current_frame;
    return 1;
#else
    _PyCFrame entered;
    if (!stack_copy(reader, &entered, reader->thread.cframe, sizeof entered))
        return 0;
    *frame = entered.current_frame;
    return 1;
#endif
}

/* Read the stack of a thread; return 0 when nothing of it can be read. One that runs meanwhile,
 * and is not the one that reads, may give one that it never had. */
static int stack_read(StackReader *reader, const PyThreadState *state, StackSeen *seen) {
    Text text = {seen->text, STACK_BYTES, 0, 0};
    const StackFrame *next;
    int frames = 0;
    static const CollectorSeen none;
    seen->gil = 0;
    seen->collector = none;
    seen->length = 0;
    if (!stack_copy(reader, &reader->thread, state, sizeof reader->thread))
        return 0;
    seen->gil = stack_holds_gil(state, &reader->thread);
    if (seen->gil)
        seen->collector = stack_collector(reader);
    if (!stack_innermost(reader, &next))
        return 1;
    for (int links = 0; next != NULL && frames < STACK_FRAMES && !text.cut; links++) {
        size_t before = text.used;
        if (links == STACK_LINKS ||
            !stack_copy(reader, &reader->frame, next, offsetof(StackFrame, localsplus)) ||
            !stack_put_frame(reader, &text))
            return 1;
        frames += text.used > before;
        next = reader->frame.previous;
    }
    seen->length = text.used;
    return 1;
}

#endif
