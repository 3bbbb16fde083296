/* What went wrong, on stderr, and the end of the program. */

#ifndef FAILURE_H
#define FAILURE_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A negative or zero `error` adds no text of the system's. */
__attribute__((noreturn, format(printf, 2, 3)))
static inline void fail(int error, const char *form, ...)
{
    va_list values;
    va_start(values, form);
    vfprintf(stderr, form, values);
    va_end(values);
    fprintf(stderr, error > 0 ? ": %s\n" : "\n", strerror(error));
    exit(1);
}

#endif
