/* What programs share that measure how long there and back takes: a clock, and a core to keep to. */

#pragma once

#include <sched.h>
#include <time.h>

#include "failure.h"

static double now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void keep_to(int core)
{
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(core, &cores);
    if (sched_setaffinity(0, sizeof cores, &cores))
        fail(errno, "sched_setaffinity to core %d", core);
}
