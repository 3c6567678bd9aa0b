/* forest.h: what every kernel shares: the tables, the accumulator's type, keys, names of variants. */
#ifndef TS_FOREST_H
#define TS_FOREST_H

#include <stddef.h>
#include <stdint.h>

#include "model.h"

#if TS_DOUBLE
typedef double ts_real;
#else
typedef float ts_real;
#endif

/* model.bin, 64-byte aligned. */
extern const unsigned char ts_model[];
#define TS_TABLE(type, section) ((const type *)(const void *)(ts_model + (section)))

/* A kernel is compiled once per variant (a processor of the target); each copy has names of its own. */
#ifdef TS_VARIANT
#define TS_JOIN_(name, variant) name##_##variant
#define TS_JOIN(name, variant) TS_JOIN_(name, variant)
#define TS_NAME(name) TS_JOIN(name, TS_VARIANT)
#else
#define TS_NAME(name) name
#endif

#define TS_KEY_MISSING_LEFT INT32_MIN
#define TS_KEY_MISSING_RIGHT INT32_MAX
#define TS_INFINITY_BITS 0x7f800000u

/* The key of a float, given by its bits: an integer of the same order, one for both zeros. `missing` is the key of
 * NaN. No float is compared: some units take denormals for zero. */
static inline int32_t ts_key(uint32_t bits, int32_t missing)
{
    int32_t magnitude = (int32_t)(bits & 0x7fffffffu);
    int32_t key = (int32_t)bits < 0 ? -magnitude : magnitude;
    return magnitude > (int32_t)TS_INFINITY_BITS ? missing : key;
}

/* A kernel writes the margins of `count` rows, TS_MARGINS each. Row r begins at rows + r * stride. `workspace` is
 * 64-byte aligned and has the kernel's own size. */
typedef void ts_kernel(const float *rows, size_t count, size_t stride, ts_real *margins, void *workspace);


#endif
