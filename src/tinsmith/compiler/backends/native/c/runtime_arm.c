/* runtime_arm.c: what Clang calls where 32-bit ARM lacks an instruction ("Run-time ABI for the Arm Architecture").
 *
 * Floats travel in integer registers here, whichever float ABI the rest of the program uses.
 */
#if !defined(__arm__)
#error "for 32-bit ARM"
#endif

#include "softfloat.h"

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);

#define ARITHMETIC(name, type, format, operation)                                        \
    type name(type a, type b)                                                            \
    {                                                                                    \
        return (type)ts_pack(format, operation(ts_unpack(format, a), ts_unpack(format, b))); \
    }

#define SUBTRACTION(name, reverse, type, format)                        \
    type name(type a, type b)                                           \
    {                                                                   \
        ts_number_parts left = ts_unpack(format, a), right = ts_unpack(format, b); \
        if (right.kind != TS_NAN)                                       \
            right.negative = !right.negative;                           \
        return (type)ts_pack(format, ts_add(left, right));              \
    }                                                                   \
    type reverse(type a, type b)                                        \
    {                                                                   \
        return name(b, a);                                              \
    }

#define COMPARISON(name, type, format, condition)       \
    int name(type a, type b)                            \
    {                                                   \
        enum ts_order order = ts_compare(format, a, b); \
        return condition;                               \
    }

#define CONVERSIONS(type, format, letter)                                                                    \
    type __aeabi_i2##letter(int32_t value)                                                                   \
    {                                                                                                        \
        uint32_t bits = (uint32_t)value;                                                                     \
        return (type)ts_pack(format, ts_from_integer(value < 0, value < 0 ? 0 - bits : bits));               \
    }                                                                                                        \
    type __aeabi_ui2##letter(uint32_t value)                                                                 \
    {                                                                                                        \
        return (type)ts_pack(format, ts_from_integer(false, value));                                         \
    }                                                                                                        \
    int32_t __aeabi_##letter##2iz(type value)                                                                \
    {                                                                                                        \
        return (int32_t)ts_to_signed(ts_unpack(format, value), INT32_MAX);                                   \
    }                                                                                                        \
    uint32_t __aeabi_##letter##2uiz(type value)                                                              \
    {                                                                                                        \
        return (uint32_t)ts_to_unsigned(ts_unpack(format, value), UINT32_MAX);                               \
    }

#define LONG_CONVERSIONS(type, format, letter)                                                               \
    type __aeabi_l2##letter(int64_t value)                                                                   \
    {                                                                                                        \
        uint64_t bits = (uint64_t)value;                                                                     \
        return (type)ts_pack(format, ts_from_integer(value < 0, value < 0 ? 0 - bits : bits));               \
    }                                                                                                        \
    type __aeabi_ul2##letter(uint64_t value)                                                                 \
    {                                                                                                        \
        return (type)ts_pack(format, ts_from_integer(false, value));                                         \
    }                                                                                                        \
    int64_t __aeabi_##letter##2lz(type value)                                                                \
    {                                                                                                        \
        return ts_to_signed(ts_unpack(format, value), INT64_MAX);                                            \
    }                                                                                                        \
    uint64_t __aeabi_##letter##2ulz(type value)                                                              \
    {                                                                                                        \
        return ts_to_unsigned(ts_unpack(format, value), UINT64_MAX);                                         \
    }

LONG_CONVERSIONS(uint32_t, TS_SINGLE, f)
LONG_CONVERSIONS(uint64_t, TS_DOUBLE, d)

#if defined(__SOFTFP__)

ARITHMETIC(__aeabi_fadd, uint32_t, TS_SINGLE, ts_add)
ARITHMETIC(__aeabi_fmul, uint32_t, TS_SINGLE, ts_multiply)
ARITHMETIC(__aeabi_fdiv, uint32_t, TS_SINGLE, ts_divide)
ARITHMETIC(__aeabi_dadd, uint64_t, TS_DOUBLE, ts_add)
ARITHMETIC(__aeabi_dmul, uint64_t, TS_DOUBLE, ts_multiply)
ARITHMETIC(__aeabi_ddiv, uint64_t, TS_DOUBLE, ts_divide)
SUBTRACTION(__aeabi_fsub, __aeabi_frsub, uint32_t, TS_SINGLE)
SUBTRACTION(__aeabi_dsub, __aeabi_drsub, uint64_t, TS_DOUBLE)

COMPARISON(__aeabi_fcmpeq, uint32_t, TS_SINGLE, order == TS_EQUAL)
COMPARISON(__aeabi_fcmplt, uint32_t, TS_SINGLE, order == TS_LESS)
COMPARISON(__aeabi_fcmple, uint32_t, TS_SINGLE, order == TS_LESS || order == TS_EQUAL)
COMPARISON(__aeabi_fcmpgt, uint32_t, TS_SINGLE, order == TS_GREATER)
COMPARISON(__aeabi_fcmpge, uint32_t, TS_SINGLE, order == TS_GREATER || order == TS_EQUAL)
COMPARISON(__aeabi_fcmpun, uint32_t, TS_SINGLE, order == TS_UNORDERED)
COMPARISON(__aeabi_dcmpeq, uint64_t, TS_DOUBLE, order == TS_EQUAL)
COMPARISON(__aeabi_dcmplt, uint64_t, TS_DOUBLE, order == TS_LESS)
COMPARISON(__aeabi_dcmple, uint64_t, TS_DOUBLE, order == TS_LESS || order == TS_EQUAL)
COMPARISON(__aeabi_dcmpgt, uint64_t, TS_DOUBLE, order == TS_GREATER)
COMPARISON(__aeabi_dcmpge, uint64_t, TS_DOUBLE, order == TS_GREATER || order == TS_EQUAL)
COMPARISON(__aeabi_dcmpun, uint64_t, TS_DOUBLE, order == TS_UNORDERED)

CONVERSIONS(uint32_t, TS_SINGLE, f)
CONVERSIONS(uint64_t, TS_DOUBLE, d)

uint64_t __aeabi_f2d(uint32_t value)
{
    return ts_pack(TS_DOUBLE, ts_unpack(TS_SINGLE, value));
}

uint32_t __aeabi_d2f(uint64_t value)
{
    return (uint32_t)ts_pack(TS_SINGLE, ts_unpack(TS_DOUBLE, value));
}

#endif

uint32_t __aeabi_uidiv(uint32_t a, uint32_t b)
{
    uint32_t quotient = 0;
    if (b == 0)
        return 0;
    for (int bit = __builtin_clz(b) - (a ? __builtin_clz(a) : 32); bit >= 0; bit--)
        if (a >> bit >= b) {
            a -= b << bit;
            quotient |= (uint32_t)1 << bit;
        }
    return quotient;
}

int32_t __aeabi_idiv(int32_t a, int32_t b)
{
    uint32_t left = a < 0 ? 0 - (uint32_t)a : (uint32_t)a, right = b < 0 ? 0 - (uint32_t)b : (uint32_t)b;
    uint32_t quotient = __aeabi_uidiv(left, right);
    return (int32_t)((a < 0) != (b < 0) ? 0 - quotient : quotient);
}

/* Quotient in r0, remainder in r1. */
uint64_t __aeabi_uidivmod(uint32_t a, uint32_t b)
{
    uint32_t quotient = __aeabi_uidiv(a, b);
    return quotient | (uint64_t)(a - quotient * b) << 32;
}

uint64_t __aeabi_idivmod(int32_t a, int32_t b)
{
    uint32_t quotient = (uint32_t)__aeabi_idiv(a, b);
    return quotient | (uint64_t)((uint32_t)a - quotient * (uint32_t)b) << 32;
}

/* Quotient in r0 and r1, remainder in r2 and r3: no C function returns so. */
__attribute__((naked)) void __aeabi_ldivmod(void)
{
    __asm__("push {r6, lr}\n"
            "sub sp, sp, #16\n"
            "add r6, sp, #8\n"
            "str r6, [sp]\n"
            "bl __divmoddi4\n"
            "ldr r2, [sp, #8]\n"
            "ldr r3, [sp, #12]\n"
            "add sp, sp, #16\n"
            "pop {r6, pc}\n");
}

__attribute__((naked)) void __aeabi_uldivmod(void)
{
    __asm__("push {r6, lr}\n"
            "sub sp, sp, #16\n"
            "add r6, sp, #8\n"
            "str r6, [sp]\n"
            "bl __udivmoddi4\n"
            "ldr r2, [sp, #8]\n"
            "ldr r3, [sp, #12]\n"
            "add sp, sp, #16\n"
            "pop {r6, pc}\n");
}

#define COPY(name, function)                              \
    void name(void *to, const void *from, size_t bytes)   \
    {                                                     \
        function(to, from, bytes);                        \
    }

COPY(__aeabi_memcpy, memcpy)
COPY(__aeabi_memcpy4, memcpy)
COPY(__aeabi_memcpy8, memcpy)
COPY(__aeabi_memmove, memmove)
COPY(__aeabi_memmove4, memmove)
COPY(__aeabi_memmove8, memmove)

#define FILL(name, clear)                            \
    void name(void *to, size_t bytes, int value)     \
    {                                                \
        memset(to, value, bytes);                    \
    }                                                \
    void clear(void *to, size_t bytes)               \
    {                                                \
        memset(to, 0, bytes);                        \
    }

FILL(__aeabi_memset, __aeabi_memclr)
FILL(__aeabi_memset4, __aeabi_memclr4)
FILL(__aeabi_memset8, __aeabi_memclr8)
