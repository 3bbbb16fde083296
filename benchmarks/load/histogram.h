/* Latencies in logarithmic buckets: 64 a power of two, so that a percentile is within 1.6 %. */

#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

enum { STEPS_LOG2 = 6, STEPS = 1 << STEPS_LOG2, BUCKETS = (64 - STEPS_LOG2 + 1) * STEPS };

struct histogram {
    uint64_t count, max;
    uint64_t buckets[BUCKETS];
};

static inline int bucket_of(uint64_t value)
{
    if (value < STEPS)
        return (int)value;
    int shift = 63 - __builtin_clzll(value) - STEPS_LOG2;
    return (shift + 1) * STEPS + (int)((value >> shift) & (STEPS - 1));
}

/* The middle of the bucket. */
static inline double value_of(int bucket)
{
    if (bucket < STEPS)
        return bucket;
    int shift = bucket / STEPS - 1;
    return (double)((uint64_t)(STEPS + bucket % STEPS) << shift) + (double)(1ull << shift) / 2;
}

static inline void record(struct histogram *h, uint64_t value)
{
    h->count++;
    h->buckets[bucket_of(value)]++;
    if (value > h->max)
        h->max = value;
}

static inline double percentile(const struct histogram *h, double percent)
{
    double wanted = (double)h->count * percent / 100;
    uint64_t seen = 0;
    for (int bucket = 0; bucket < BUCKETS; bucket++) {
        seen += h->buckets[bucket];
        if (seen && (double)seen >= wanted)
            return value_of(bucket) < (double)h->max ? value_of(bucket) : (double)h->max;
    }
    return 0;
}

#endif
