/* everything.c: asks the compiler for all that a processor may lack. */
#include "platform.h"

#define EXPORT __attribute__((visibility("default")))

struct block {
    int32_t words[64];
};

static void fill(void *context, size_t part)
{
    ((double *)context)[part] = (double)part * 0.5;
}

EXPORT int32_t parallel(double *out, int64_t count)
{
    char frame[20000];
    for (size_t i = 0; i < sizeof frame; i++)
        ((volatile char *)frame)[i] = (char)i;
    double *copy = ts_allocate((size_t)count * sizeof *copy);
    if (copy == NULL)
        return -1;
    ts_parallel(fill, copy, (size_t)count);
    for (int64_t i = 0; i < count; i++)
        out[i] = copy[i];
    ts_release(copy);
    return frame[count & 1023] != (char)(count & 1023);
}

EXPORT int64_t integers(int64_t a, int64_t b)
{
    uint64_t left = (uint64_t)a, right = (uint64_t)b;
    return a / b + a % b + (int64_t)(left / right + left % right) + (int32_t)a / (int32_t)b + (int32_t)a % (int32_t)b;
}

EXPORT void floats(float a, double b, int64_t c, float *single, double *wide)
{
    single[0] = a * (float)b + a / (float)b - a;
    single[1] = (float)c;
    single[2] = (float)(uint64_t)c;
    single[3] = a < b ? -a : __builtin_fabsf(a);
    wide[0] = a * b + a / b - b;
    wide[1] = (double)c;
    wide[2] = (double)(uint64_t)c;
    wide[3] = (double)((int64_t)a + (int64_t)b) + (double)((uint64_t)a + (uint64_t)b);
    wide[4] = (double)((int32_t)a + (int32_t)b) + (double)((uint32_t)a + (uint32_t)b);
}

EXPORT void blocks(struct block *to, const struct block *from, struct block *zero)
{
    *to = *from;
    *zero = (struct block){0};
}

#if defined(__x86_64__) || defined(__i386__)
EXPORT int32_t isa(void)
{
    return (int32_t)ts_cpu_isa();
}
#else
EXPORT int32_t isa(void)
{
    return -1;
}
#endif

EXPORT int32_t threads(void)
{
    return (int32_t)ts_thread_limit();
}
