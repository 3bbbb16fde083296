/* Text as a recording has it: UTF-8, in which Python's stand-ins for bytes that are none are those
 * bytes again. */
#ifndef FOURNIL_TEXT_H
#define FOURNIL_TEXT_H

#include <Python.h>

/* Text that is being put together; what does not fit is left out, and `cut` set. */
typedef struct {
    char *bytes;
    size_t size, used;
    int cut;
} Text;

static inline void text_put(Text *text, char byte) {
    if (text->used < text->size)
        text->bytes[text->used++] = byte;
    else
        text->cut = 1;
}

static inline void text_put_number(Text *text, int number) {
    char digits[12];
    int count = 0;
    do
        digits[count++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    while (count > 0)
        text_put(text, digits[--count]);
}

/* Put a character. A name that is not UTF-8 has lone surrogates for its bytes ("surrogateescape",
 * PEP 383): it is written as the bytes that it has on the disk. Other surrogates are written as
 * Python shows them: \ud800. */
static inline void text_put_character(Text *text, Py_UCS4 character) {
    static const char digits[] = "0123456789abcdef";
    if (character < 0x80 || (character >= 0xDC80 && character < 0xDD00))
        text_put(text, (char)(character & 0xFF));
    else if (character >= 0xD800 && character < 0xE000) {
        text_put(text, '\\');
        text_put(text, 'u');
        for (int shift = 12; shift >= 0; shift -= 4)
            text_put(text, digits[character >> shift & 15]);
    } else {
        static const unsigned char lead[] = {0, 0xC0, 0xE0, 0xF0};
        int more = character < 0x800 ? 1 : character < 0x10000 ? 2 : 3;
        text_put(text, (char)(lead[more] | character >> 6 * more));
        while (more-- > 0)
            text_put(text, (char)(0x80 | (character >> 6 * more & 0x3F)));
    }
}

/* Put a string of Python's as far as there is room, in whole characters. */
static inline void text_put_string(Text *text, PyObject *string) {
    Py_ssize_t length = PyUnicode_GET_LENGTH(string);
    for (Py_ssize_t i = 0; i < length && !text->cut; i++) {
        size_t before = text->used;
        text_put_character(text, PyUnicode_READ_CHAR(string, i));
        if (text->cut)
            text->used = before;
    }
}

#endif
