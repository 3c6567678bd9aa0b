/* network.h: what every stage of a generated network uses. */
#ifndef TS_NETWORK_H
#define TS_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if __has_include("math_double.h")
#include "math_double.h"
#endif
#include "math_float.h"
#include "model.h"
#include "numbers.h"

typedef ptrdiff_t ts_index;

/* One run: where its tensors are. */
struct ts_run {
    const void *const *inputs;
    void *const *outputs;
    unsigned char *arena;
    unsigned char *scratch; /* TS_SCRATCH_BYTES for every thread */
    ts_index *sizes; /* dimensions that the run finds out */
    bool *failed;
};

/* model.bin, 64-byte aligned. */
extern const unsigned char ts_model[];

#define TS_CONSTANT(type, offset) ((const type *)(const void *)(ts_model + (offset)))
#define TS_INPUT(type, number) ((const type *)run->inputs[number])
#define TS_OUTPUT(type, number) ((type *)run->outputs[number])
#define TS_ARENA(type, offset) ((type *)(void *)(run->arena + (offset)))

/* A network is compiled once per variant (a processor of the target); each copy has names of its own. */
#ifdef TS_VARIANT
#define TS_JOIN_(name, variant) name##_##variant
#define TS_JOIN(name, variant) TS_JOIN_(name, variant)
#define TS_NAME(name) TS_JOIN(name, TS_VARIANT)
#else
#define TS_NAME(name) name
#endif

typedef void ts_network(const struct ts_run *run);

#ifdef TS_VARIANTS
#define TS_DECLARE_NETWORK(variant) extern ts_network ts_network_##variant;
TS_VARIANTS(TS_DECLARE_NETWORK)
#else
extern ts_network ts_network_only;
#endif

static inline ts_index ts_index_min(ts_index a, ts_index b)
{
    return a < b ? a : b;
}

static inline ts_index ts_index_max(ts_index a, ts_index b)
{
    return a > b ? a : b;
}

/* Rounds down; b is positive. */
static inline ts_index ts_index_floordiv(ts_index a, ts_index b)
{
    return a >= 0 ? a / b : -((-a + b - 1) / b);
}

static inline ts_index ts_index_mod(ts_index a, ts_index b)
{
    return a - ts_index_floordiv(a, b) * b;
}

#endif
