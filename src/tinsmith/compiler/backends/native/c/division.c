/* division.c: 64-bit integer division, which Clang calls on 32-bit processors. */
#include <stddef.h>
#include <stdint.h>

uint64_t __udivmoddi4(uint64_t a, uint64_t b, uint64_t *remainder);
int64_t __divmoddi4(int64_t a, int64_t b, int64_t *remainder);
uint64_t __udivdi3(uint64_t a, uint64_t b);
uint64_t __umoddi3(uint64_t a, uint64_t b);
int64_t __divdi3(int64_t a, int64_t b);
int64_t __moddi3(int64_t a, int64_t b);

uint64_t __udivmoddi4(uint64_t a, uint64_t b, uint64_t *remainder)
{
    uint64_t quotient = 0;
    if (b == 0)
        __builtin_trap();
    if (a >> 32 == 0 && b >> 32 == 0) {
        quotient = (uint32_t)a / (uint32_t)b;
        a -= quotient * b;
    } else if (a >= b) {
        for (int bit = __builtin_clzll(b) - __builtin_clzll(a); bit >= 0; bit--)
            if (a >> bit >= b) {
                a -= b << bit;
                quotient |= (uint64_t)1 << bit;
            }
    }
    if (remainder != NULL)
        *remainder = a;
    return quotient;
}

static uint64_t magnitude(int64_t value)
{
    return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

int64_t __divmoddi4(int64_t a, int64_t b, int64_t *remainder)
{
    uint64_t rest, quotient = __udivmoddi4(magnitude(a), magnitude(b), &rest);
    if (remainder != NULL)
        *remainder = (int64_t)(a < 0 ? 0 - rest : rest);
    return (int64_t)((a < 0) != (b < 0) ? 0 - quotient : quotient);
}

uint64_t __udivdi3(uint64_t a, uint64_t b)
{
    return __udivmoddi4(a, b, NULL);
}

uint64_t __umoddi3(uint64_t a, uint64_t b)
{
    uint64_t rest;
    __udivmoddi4(a, b, &rest);
    return rest;
}

int64_t __divdi3(int64_t a, int64_t b)
{
    return __divmoddi4(a, b, NULL);
}

int64_t __moddi3(int64_t a, int64_t b)
{
    int64_t rest;
    __divmoddi4(a, b, &rest);
    return rest;
}
