/* machine.c: a static program that checks, on the machine it is compiled for, all that the compiler calls on its own.
 * cases.h holds operands and the results of a machine that is known to be right. Exit status: 0, or the failed check. */
#include "cases.h"
#include "platform.h"

enum { GOOD, BAD_MEMORY, BAD_DIVISION, BAD_FLOAT, BAD_DOUBLE, BAD_ORDER, BAD_CONVERSION, BAD_FRAME, BAD_PLATFORM };

void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);

static unsigned char source[512], wanted[512], found[512];

static int differs(void)
{
    for (size_t i = 0; i < sizeof wanted; i++)
        if (wanted[i] != found[i])
            return 1;
    return 0;
}

static void prepare(void)
{
    for (size_t i = 0; i < sizeof source; i++)
        source[i] = wanted[i] = found[i] = (unsigned char)(i * 7 + 3);
}

static int memory(void)
{
    for (size_t bytes = 0; bytes < 70; bytes++)
        for (size_t from = 0; from < 20; from++)
            for (size_t to = 0; to < 20; to++) {
                prepare();
                for (size_t i = 0; i < bytes; i++)
                    wanted[to + i] = source[from + i];
                memmove(found + to, found + from, bytes);
                if (differs())
                    return BAD_MEMORY;
                prepare();
                for (size_t i = 0; i < bytes; i++)
                    wanted[200 + to + i] = source[from + i];
                memcpy(found + 200 + to, source + from, bytes);
                if (differs() || memcmp(wanted, found, sizeof found) != 0)
                    return BAD_MEMORY;
                for (size_t i = 0; i < bytes; i++)
                    wanted[to + i] = 0xa5;
                memset(found + to, 0x3a5, bytes);
                if (differs())
                    return BAD_MEMORY;
            }
    found[100] ^= 0x80;
    int order = memcmp(found, wanted, sizeof found);
    return (order > 0) == (found[100] > wanted[100]) && order != 0 ? GOOD : BAD_MEMORY;
}

static int division(void)
{
    for (size_t i = 0; i < COUNT; i++) {
        volatile int64_t a = longs[i], b = longs[COUNT - 1 - i] | 1;
        volatile uint64_t left = (uint64_t)a, right = (uint64_t)b;
        volatile int32_t c = (int32_t)a, d = (int32_t)b | 1;
        volatile uint32_t low = (uint32_t)c, divisor = (uint32_t)d;
        uint64_t rest = left % right;
        if (rest >= right || left / right * right + rest != left)
            return BAD_DIVISION;
        if (!(b == -1 && a == INT64_MIN) && (uint64_t)(a / b) * (uint64_t)b + (uint64_t)(a % b) != (uint64_t)a)
            return BAD_DIVISION;
        if (low / divisor * divisor + low % divisor != low || low % divisor >= divisor)
            return BAD_DIVISION;
        if (!(d == -1 && c == INT32_MIN) && (uint32_t)(c / d) * (uint32_t)d + (uint32_t)(c % d) != (uint32_t)c)
            return BAD_DIVISION;
        if (a != INT64_MIN && b > 1 && a < 0 && (a / b > 0 || a % b > 0))
            return BAD_DIVISION;
    }
    return GOOD;
}

static int single_is(float value, uint32_t bits)
{
    union {
        float value;
        uint32_t bits;
    } both = {.value = value};
    return both.bits == bits || (value != value && (bits & 0x7fffffffu) > 0x7f800000u);
}

static int double_is(double value, uint64_t bits)
{
    union {
        double value;
        uint64_t bits;
    } both = {.value = value};
    return both.bits == bits || (value != value && (bits & INT64_MAX) > 0x7ff0000000000000u);
}

static float single_of(uint32_t bits)
{
    union {
        uint32_t bits;
        float value;
    } both = {.bits = bits};
    return both.value;
}

static double double_of(uint64_t bits)
{
    union {
        uint64_t bits;
        double value;
    } both = {.bits = bits};
    return both.value;
}

static int floats(void)
{
    for (size_t i = 0; i < COUNT; i++) {
        volatile float a = single_of(single_a[i]), b = single_of(single_b[i]);
        if (!single_is(a + b, single_sum[i]) || !single_is(a - b, single_difference[i]) ||
            !single_is(a * b, single_product[i]) || !single_is(a / b, single_quotient[i]))
            return BAD_FLOAT;
        volatile double c = double_of(double_a[i]), d = double_of(double_b[i]);
        if (!double_is(c + d, double_sum[i]) || !double_is(c - d, double_difference[i]) ||
            !double_is(c * d, double_product[i]) || !double_is(c / d, double_quotient[i]))
            return BAD_DOUBLE;
        if (((a < b) | (a <= b) << 1 | (a == b) << 2 | (a > b) << 3 | (a >= b) << 4 | (a != b) << 5) != single_order[i])
            return BAD_ORDER;
        if (((c < d) | (c <= d) << 1 | (c == d) << 2 | (c > d) << 3 | (c >= d) << 4 | (c != d) << 5) != double_order[i])
            return BAD_ORDER;
        if (!double_is((double)a, widened[i]) || !single_is((float)c, narrowed[i]))
            return BAD_CONVERSION;
    }
    return GOOD;
}

static int conversions(void)
{
    for (size_t i = 0; i < COUNT; i++) {
        volatile int64_t value = longs[i];
        if (!single_is((float)value, single_of_long[i]) || !double_is((double)value, double_of_long[i]))
            return BAD_CONVERSION;
        if (!single_is((float)(uint64_t)value, single_of_unsigned[i]) ||
            !double_is((double)(uint64_t)value, double_of_unsigned[i]))
            return BAD_CONVERSION;
        volatile int32_t word = (int32_t)value;
        if ((int32_t)(double)word != word || (uint32_t)(double)(uint32_t)word != (uint32_t)word)
            return BAD_CONVERSION;
        volatile int64_t exact = value >> 12;
        if ((int64_t)(double)exact != exact || (uint64_t)(double)((uint64_t)value >> 12) != (uint64_t)value >> 12)
            return BAD_CONVERSION;
        volatile int32_t few = word >> 9;
        if ((int32_t)(float)few != few || (int64_t)(float)few != few)
            return BAD_CONVERSION;
    }
    return GOOD;
}

__attribute__((noinline)) static int frame(int depth)
{
    volatile char large[30000];
    for (size_t i = 0; i < sizeof large; i += 1000)
        large[i] = (char)(i / 1000 + (size_t)depth);
    int bad = depth > 0 ? frame(depth - 1) : GOOD;
    for (size_t i = 0; i < sizeof large; i += 1000)
        if (large[i] != (char)(i / 1000 + (size_t)depth))
            bad = BAD_FRAME;
    return bad;
}

#if defined(_WIN32)

#include <stdatomic.h>

__declspec(dllimport) void *__stdcall LoadLibraryExW(const uint16_t *path, void *reserved, uint32_t flags);
__declspec(dllimport) void *__stdcall GetProcAddress(void *library, const char *name);

static void visit(void *context, size_t part)
{
    atomic_fetch_add((atomic_uint *)context + part, 1);
}

static void again(void *context, size_t part)
{
    ts_parallel(visit, (unsigned *)context + part * 8, 8);
}

static int platform(void)
{
    static unsigned visits[1000];
    if (ts_thread_limit() != 3 || ts_cpu_isa() != TS_SSE2)
        return BAD_PLATFORM;
    for (unsigned call = 1; call <= 500; call++) {
        ts_parallel(visit, visits, 1000);
        for (size_t i = 0; i < 1000; i++)
            if (visits[i] != call)
                return BAD_PLATFORM;
    }
    ts_parallel(again, visits, 10);
    for (size_t i = 0; i < 1000; i++)
        if (visits[i] != 500 + (i < 80))
            return BAD_PLATFORM;
    unsigned char *memory = ts_allocate(1000);
    if (memory == NULL || ((uintptr_t)memory & 63) != 0 || ts_allocate(SIZE_MAX - 70) != NULL)
        return BAD_PLATFORM;
    memset(memory, 1, 1000);
    ts_release(memory);
    ts_release(NULL);
    return GOOD;
}

static void leave(int status)
{
    static const uint16_t name[] = u"kernel32.dll";
    void(__stdcall *end)(uint32_t) =
        (void(__stdcall *)(uint32_t))GetProcAddress(LoadLibraryExW(name, NULL, 0), "ExitProcess");
    end((uint32_t)status);
}

#elif defined(__i386__)

#include "runtime_windows.c" /* 32-bit Windows programs need more than this machine may have to run them */

static int platform(void)
{
    for (unsigned bytes = 4; bytes < 100000; bytes += 996) {
        unsigned moved, size, other;
        __asm__ volatile("movl %%esp, %%esi\n"
                         "movl $0x12345678, %%ecx\n"
                         "call _alloca\n"
                         "subl %%esp, %%esi\n"
                         "addl %%esi, %%esp\n"
                         : "=S"(moved), "=a"(size), "=c"(other)
                         : "1"(bytes)
                         : "memory", "cc");
        if (moved != bytes || size != bytes || other != 0x12345678)
            return BAD_PLATFORM;
    }
    return GOOD;
}

#else

static int platform(void)
{
    return GOOD;
}

#endif

#if !defined(_WIN32)

static void leave(int status)
{
#if defined(__x86_64__)
    __asm__ volatile("syscall" : : "a"(60), "D"(status) : "rcx", "r11", "memory");
#elif defined(__i386__)
    __asm__ volatile("int $0x80" : : "a"(1), "b"(status) : "memory");
#elif defined(__aarch64__)
    register long number __asm__("x8") = 93, first __asm__("x0") = status;
    __asm__ volatile("svc 0" : : "r"(number), "r"(first) : "memory");
#else
    register long number __asm__("r7") = 1, first __asm__("r0") = status;
    __asm__ volatile("svc 0" : : "r"(number), "r"(first) : "memory");
#endif
}

#endif

void _start(void);

#if defined(__i386__) || defined(__x86_64__)
__attribute__((force_align_arg_pointer))
#endif
void _start(void)
{
    int (*const checks[])(void) = {memory, division, floats, conversions, platform};
    int status = frame(8);
    for (size_t i = 0; status == GOOD && i < sizeof checks / sizeof checks[0]; i++)
        status = checks[i]();
    leave(status);
    for (;;)
        ;
}
