/* What the collector of garbage does in an interpreter, without asking it.
 *
 * Its state is a part of the interpreter's, at a place that CPython's headers tell, and that may
 * move between the releases of one version: `collector_find` compares what lies there with what
 * the interpreter itself says. */
#ifndef FOURNIL_COLLECTOR_STATE_H
#define FOURNIL_COLLECTOR_STATE_H

#include <Python.h>
#include <stddef.h>
#include <stdint.h>

#ifndef Py_BUILD_CORE
#define Py_BUILD_CORE 1
#define FOURNIL_BUILD_CORE
#endif
#undef _PyGC_FINALIZED /* two of CPython's headers define it */
#if PY_VERSION_HEX >= 0x030E0000
#include "internal/pycore_interp_structs.h"
#else
#include "internal/pycore_interp.h"
#endif
#ifdef FOURNIL_BUILD_CORE
#undef Py_BUILD_CORE
#undef FOURNIL_BUILD_CORE
#endif

typedef struct _gc_runtime_state CollectorState;

typedef struct {
    int generation;   /* 1 + the one that is being collected; 0: none */
    uint64_t objects; /* how many there are for it, about */
} CollectorSeen;

/* Whether the collector's state lies where the headers say. Written when a watch starts. */
static int collector_is_known;

static inline const struct gc_generation *collector_generations(const CollectorState *state) {
#if PY_VERSION_HEX >= 0x030E0000
    /* They lie there in each release of 3.14, under names of their own in some. */
    return (const struct gc_generation *)&state->permanent_generation - NUM_GENERATIONS;
#else
    return state->generations;
#endif
}

static inline const char *collector_of(const PyInterpreterState *interpreter) {
    return (const char *)interpreter + offsetof(PyInterpreterState, gc);
}

/* Find the collector's state by the thresholds that `gc.get_threshold()` tells. Needs the GIL. */
static inline int collector_find(int first, int second) {
    const CollectorState *state = (const CollectorState *)collector_of(PyInterpreterState_Get());
    const struct gc_generation *generations = collector_generations(state);
    return collector_is_known = generations[0].threshold == first &&
                                generations[1].threshold == second && state->collecting == 0;
}

/* What a copy of the state tells. A collection begins by setting back the counters of what it
 * collects, and raising the next one's. */
static inline CollectorSeen collector_seen(const CollectorState *state) {
    CollectorSeen seen = {0, 0};
    const struct gc_generation *generations = collector_generations(state);
    if (state->collecting != 1)
        return seen;
    seen.generation = generations[1].count > 0 ? 1 : generations[2].count > 0 ? 2 : 3;
    Py_ssize_t objects = state->long_lived_total + state->long_lived_pending;
#if PY_VERSION_HEX >= 0x030E0000
    objects = Py_MAX(objects, state->heap_size);
#endif
    seen.objects = (uint64_t)Py_MAX(objects, 0);
    return seen;
}

#endif
