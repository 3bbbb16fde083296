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
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

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
    STACK_NAME_BYTES = 1000
};

typedef struct _PyInterpreterFrame StackFrame;

/* What was read of a thread. */
typedef struct {
    int gil;       /* whether it held the GIL */
    int cut;       /* whether there was more than there is room for */
    size_t length; /* of `text`; 0: it has no stack, or one that could not be read just now */
    /* A line for each frame, innermost first: file, line and function, with the unit
     * separator in between. */
    char text[STACK_BYTES];
} StackSeen;

/* Copy memory that may not be there; return whether it was. `through` is a pipe whose ends
 * do not block, used by one reader at a time. */
static int stack_copy(const int *through, void *to, const void *from, size_t size) {
    /* Not the C library's function, before which a sanitizer would look at the memory. */
    ssize_t sent = syscall(SYS_write, through[1], from, size);
    return sent > 0 && read(through[0], to, (size_t)sent) == sent && (size_t)sent == size;
}

/* Text that is being put together; what does not fit is left out, and `cut` set. */
typedef struct {
    char *bytes;
    size_t size, used;
    int cut;
} StackText;

static void stack_put(StackText *text, char byte) {
    if (text->used < text->size)
        text->bytes[text->used++] = byte;
    else
        text->cut = 1;
}

static void stack_put_number(StackText *text, int number) {
    char digits[12];
    int count = 0;
    do
        digits[count++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    while (count > 0)
        stack_put(text, digits[--count]);
}

/* Put a character as UTF-8; those that would end a field, and lone surrogates, as "?". */
static void stack_put_character(StackText *text, Py_UCS4 character) {
    if (character < 0x20 || (character >= 0xD800 && character < 0xE000))
        character = '?';
    if (character < 0x80) {
        stack_put(text, (char)character);
        return;
    }
    int more = character < 0x800 ? 1 : character < 0x10000 ? 2 : 3;
    static const unsigned char lead[] = {0, 0xC0, 0xE0, 0xF0};
    stack_put(text, (char)(lead[more] | (character >> (6 * more))));
    while (more-- > 0)
        stack_put(text, (char)(0x80 | ((character >> (6 * more)) & 0x3F)));
}

/* Put a string; return 0 when there is none. */
static int stack_put_string(StackText *text, const int *through, const PyObject *string) {
    PyCompactUnicodeObject head;
    union {
        Py_UCS1 one[STACK_NAME_BYTES];
        Py_UCS2 two[STACK_NAME_BYTES / 2];
        Py_UCS4 four[STACK_NAME_BYTES / 4];
    } data;
    /* Every string is longer than the shorter head, but a short one may be the last thing in
     * its page, and the longer head then reaches into nothing. */
    if (!stack_copy(through, &head, string, sizeof(PyASCIIObject)))
        return 0;
    PyASCIIObject *ascii = &head._base;
    if (Py_TYPE((PyObject *)ascii) != &PyUnicode_Type || !ascii->state.compact || ascii->length < 0)
        return 0;
    size_t kind = ascii->state.kind;
    size_t count = (size_t)ascii->length;
    if (kind != 1 && kind != 2 && kind != 4)
        return 0;
    if (count > sizeof data / kind) {
        count = sizeof data / kind;
        text->cut = 1;
    }
    const char *place = (const char *)string + (ascii->state.ascii ? sizeof(PyASCIIObject)
                                                                   : sizeof(PyCompactUnicodeObject));
    if (count > 0 && !stack_copy(through, &data, place, count * kind))
        return 0;
    for (size_t i = 0; i < count; i++)
        stack_put_character(text, kind == 1 ? data.one[i] : kind == 2 ? data.two[i] : data.four[i]);
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

/* A table of bytes that is copied piece by piece. */
typedef struct {
    const int *through;
    const char *next;
    Py_ssize_t left; /* of the table, not copied yet */
    unsigned char piece[256];
    size_t at, size; /* in the piece */
} StackTable;

/* The next byte; -1: none is left. */
static int stack_table_byte(StackTable *table) {
    if (table->at == table->size) {
        size_t size = (size_t)Py_MIN(table->left, (Py_ssize_t)sizeof table->piece);
        if (table->left <= 0 || !stack_copy(table->through, table->piece, table->next, size))
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
static int stack_line(const int *through, const PyCodeObject *code, ptrdiff_t place) {
    PyVarObject head;
    int line = code->co_firstlineno, found = 0;
    ptrdiff_t end = 0;
    if (place < 0 || !stack_copy(through, &head, code->co_linetable, sizeof head))
        return Py_MAX(line, 0);
    StackTable table = {.through = through, .left = Py_SIZE(&head)};
    table.next = (const char *)code->co_linetable + offsetof(PyBytesObject, ob_sval);
    int byte = stack_table_byte(&table);
    while (byte >= 0 && end <= place) {
        int kind = byte >> 3 & 15;
        end += ((byte & 7) + 1) * (ptrdiff_t)sizeof(_Py_CODEUNIT);
        found = kind != 15;
        byte = stack_table_byte(&table);
        if (kind == 13 || kind == 14) {
            unsigned value = 0, shift = 0;
            for (; byte >= 0 && byte < 128 && shift < 30; shift += 6) {
                int more = byte & 64;
                value |= (unsigned)(byte & 63) << shift;
                byte = stack_table_byte(&table);
                if (!more)
                    break;
            }
            line += value & 1 ? -(int)(value >> 1) : (int)(value >> 1);
        } else if (kind >= 10 && kind <= 12)
            line += kind - 10;
        /* What follows are columns: only the first byte of an entry has its highest bit set. */
        while (byte >= 0 && byte < 128)
            byte = stack_table_byte(&table);
    }
    return found && end > place ? Py_MAX(line, 0) : 0;
}

/* Put one frame; return 0 when it is none. */
static int stack_put_frame(StackText *text, const int *through, const StackFrame *frame) {
    PyObject *executable = stack_executable(frame);
    PyCodeObject code;
    if (executable == Py_None)
        return 1;
    if (!stack_copy(through, &code, executable, offsetof(PyCodeObject, co_code_adaptive)) ||
        Py_TYPE((PyObject *)&code) != &PyCode_Type)
        return 0;
#if PY_VERSION_HEX >= 0x030D0000
    const char *instruction = (const char *)frame->instr_ptr;
#else
    const char *instruction = (const char *)frame->prev_instr;
#endif
    const ptrdiff_t unit = sizeof(_Py_CODEUNIT);
    ptrdiff_t at = instruction - ((const char *)executable + offsetof(PyCodeObject, co_code_adaptive));
    /* A frame that has just been made points before its first instruction. */
    if (at < -unit || at >= Py_SIZE(&code) * unit)
        return 0;
    if (frame->owner != FRAME_OWNED_BY_GENERATOR && at < code._co_firsttraceable * unit)
        return 1; /* it has not begun yet, so that the program has not called it yet */
    size_t before = text->used;
    if (!stack_put_string(text, through, code.co_filename))
        return 0;
    stack_put(text, '\x1f');
    stack_put_number(text, stack_line(through, &code, at));
    stack_put(text, '\x1f');
    if (!stack_put_string(text, through, code.co_qualname))
        return 0;
    stack_put(text, '\n');
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

/* The frame that a thread is in; NULL: none. Returns 0 when it cannot be read. */
static int stack_innermost(const PyThreadState *copy, const int *through, const StackFrame **frame) {
#if PY_VERSION_HEX >= 0x030D0000
    (void)through;
    *frame = copy->current_frame;
    return 1;
#else
    _PyCFrame entered;
    if (!stack_copy(through, &entered, copy->cframe, sizeof entered))
        return 0;
    *frame = entered.current_frame;
    return 1;
#endif
}

/* Read the stack of a thread. One that runs meanwhile, and is not the one that reads, may
 * give one that it never had. */
static void stack_read(const PyThreadState *state, const int *through, StackSeen *seen) {
    StackText text = {seen->text, STACK_BYTES, 0, 0};
    PyThreadState copy;
    StackFrame frame;
    const StackFrame *next;
    int frames = 0;
    seen->gil = seen->cut = 0;
    seen->length = 0;
    if (!stack_copy(through, &copy, state, sizeof copy))
        return;
    seen->gil = stack_holds_gil(state, &copy);
    if (!stack_innermost(&copy, through, &next))
        return;
    for (int links = 0; next != NULL && !text.cut; links++) {
        size_t before = text.used;
        if (links == STACK_LINKS ||
            !stack_copy(through, &frame, next, offsetof(StackFrame, localsplus)) ||
            !stack_put_frame(&text, through, &frame))
            return;
        frames += text.used > before;
        next = frame.previous;
        text.cut |= frames == STACK_FRAMES && next != NULL;
    }
    seen->cut = text.cut;
    seen->length = text.used;
}

#endif
