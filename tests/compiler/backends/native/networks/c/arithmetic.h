/* arithmetic.h: a loop over arrays for every function of the numeric headers; each has the same C type. */
#include "math_double.h"
#include "math_float.h"
#include "numbers.h"

#include <stddef.h>

typedef void loop(const void *a, const void *b, void *out, size_t count);

#define MAP(function, from, to)                                                                                \
    __attribute__((visibility("default"))) void function##_loop(const void *a, const void *b, void *out, size_t count); \
    void function##_loop(const void *a, const void *, void *out, size_t count)                                 \
    {                                                                                                          \
        const from *restrict x = a;                                                                            \
        to *restrict z = out;                                                                                  \
        for (size_t i = 0; i < count; i++)                                                                     \
            z[i] = function(x[i]);                                                                             \
    }

#define MAP2(function, from, to)                                                                               \
    __attribute__((visibility("default"))) void function##_loop(const void *a, const void *b, void *out, size_t count); \
    void function##_loop(const void *a, const void *b, void *out, size_t count)                                \
    {                                                                                                          \
        const from *restrict x = a, *restrict y = b;                                                           \
        to *restrict z = out;                                                                                  \
        for (size_t i = 0; i < count; i++)                                                                     \
            z[i] = function(x[i], y[i]);                                                                       \
    }

#define CUT(format)                                                              \
    static inline uint8_t ts_float_to_##format##_saturated(float x)              \
    {                                                                            \
        return ts_float_to_##format(x, true);                                    \
    }                                                                            \
    static inline uint8_t ts_float_to_##format##_unsaturated(float x)            \
    {                                                                            \
        return ts_float_to_##format(x, false);                                   \
    }

CUT(float8_e4m3fn)
CUT(float8_e4m3fnuz)
CUT(float8_e5m2)
CUT(float8_e5m2fnuz)
CUT(float8_e8m0fnu)
CUT(float8_e8m0fnu_down)
CUT(float8_e8m0fnu_nearest)
CUT(float4_e2m1fn)

/* The shifts that take the number of bits. */
#define SHIFTS(type)                                                    \
    static inline type##_t ts_##type##_any_shl(type##_t x, type##_t count) \
    {                                                                   \
        return (type##_t)ts_shl((uint64_t)x, (uint64_t)count, sizeof x * 8); \
    }                                                                   \
    static inline type##_t ts_##type##_any_shr(type##_t x, type##_t count) \
    {                                                                   \
        return (type##_t)ts_shr(x, count, sizeof x * 8);                \
    }

SHIFTS(int8)
SHIFTS(int16)
SHIFTS(int32)
SHIFTS(int64)
SHIFTS(uint8)
SHIFTS(uint16)
SHIFTS(uint32)
SHIFTS(uint64)
