/* soft.c: softfloat.h over arrays, on a machine that has real floating point to compare with. */
#include "softfloat.h"

#include <stddef.h>

#define EXPORT __attribute__((visibility("default")))

static ts_format format(int wide)
{
    return wide ? TS_DOUBLE : TS_SINGLE;
}

EXPORT void arithmetic(int operation, int wide, const uint64_t *a, const uint64_t *b, uint64_t *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ts_number_parts left = ts_unpack(format(wide), a[i]), right = ts_unpack(format(wide), b[i]);
        ts_number_parts result = operation == 0   ? ts_add(left, right)
                                 : operation == 1 ? ts_multiply(left, right)
                                                  : ts_divide(left, right);
        out[i] = ts_pack(format(wide), result);
    }
}

EXPORT void compare(int wide, const uint64_t *a, const uint64_t *b, uint64_t *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = ts_compare(format(wide), a[i], b[i]);
}

EXPORT void convert(int wide, const uint64_t *in, uint64_t *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = ts_pack(format(!wide), ts_unpack(format(wide), in[i]));
}

EXPORT void from_integer(int wide, int is_signed, const uint64_t *in, uint64_t *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int negative = is_signed && in[i] >> 63;
        out[i] = ts_pack(format(wide), ts_from_integer(negative, negative ? 0 - in[i] : in[i]));
    }
}

EXPORT void to_signed(int wide, int64_t highest, const uint64_t *in, uint64_t *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = (uint64_t)ts_to_signed(ts_unpack(format(wide), in[i]), highest);
}

EXPORT void to_unsigned(int wide, uint64_t highest, const uint64_t *in, uint64_t *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = ts_to_unsigned(ts_unpack(format(wide), in[i]), highest);
}
