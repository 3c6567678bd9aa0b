/* platform_x86.c: which instruction set this CPU has. */
#include "environment.h"
#include "platform.h"

#if defined(__x86_64__) || defined(__i386__)

#include <cpuid.h>
#include <stdatomic.h>

/* Everything that Clang may use for a variant's processor, not only what names the instruction set:
 * haswell, skylake-avx512 and icelake-server. */
enum {
    LEAF1_ECX = 1u << 12 /* FMA */ | 1u << 22 /* MOVBE */ | 1u << 23 /* POPCNT */ | 1u << 27 /* OSXSAVE */ |
                1u << 28 /* AVX */ | 1u << 29 /* F16C */,
    LEAF7_EBX_AVX2 = 1u << 3 /* BMI1 */ | 1u << 5 /* AVX2 */ | 1u << 8 /* BMI2 */,
    LEAF7_EBX_AVX512 = 1u << 16 /* F */ | 1u << 17 /* DQ */ | 1u << 28 /* CD */ | 1u << 30 /* BW */,
    LEAF7_ECX_VBMI = 1u << 1 /* VBMI */ | 1u << 6 /* VBMI2 */ | 1u << 8 /* GFNI */ | 1u << 11 /* VNNI */ |
                     1u << 12 /* BITALG */ | 1u << 14 /* VPOPCNTDQ */,
    EXTENDED1_ECX_LZCNT = 1u << 5,
};
static const unsigned LEAF7_EBX_AVX512_VL = 1u << 31;
static const unsigned LEAF7_EBX_IFMA = 1u << 21;

/* XCR0: the register state that the operating system saves. */
enum { XCR0_AVX = 0x06, XCR0_AVX512 = 0xe6 };

static bool has(unsigned word, unsigned bits)
{
    return (word & bits) == bits;
}

static unsigned saved_state(void)
{
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static enum ts_isa detect(void)
{
    unsigned eax, ebx, ecx, edx;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !has(ecx, LEAF1_ECX))
        return TS_SSE2;
    if (!__get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) || !has(ecx, EXTENDED1_ECX_LZCNT))
        return TS_SSE2;
    unsigned state = saved_state();
    if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) || !has(ebx, LEAF7_EBX_AVX2) || !has(state, XCR0_AVX))
        return TS_SSE2;
    if (!has(ebx, LEAF7_EBX_AVX512 | LEAF7_EBX_AVX512_VL) || !has(state, XCR0_AVX512))
        return TS_AVX2;
    return has(ebx, LEAF7_EBX_IFMA) && has(ecx, LEAF7_ECX_VBMI) ? TS_VBMI : TS_AVX512;
}

static bool same(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

static enum ts_isa cap(void)
{
    static const char *const names[] = {"sse2", "avx2", "avx512", "vbmi"};
    char wanted[8];
    if (ts_environment("TINSMITH_ISA", wanted, sizeof wanted))
        for (int isa = TS_SSE2; isa <= TS_VBMI; isa++)
            if (same(wanted, names[isa]))
                return (enum ts_isa)isa;
    return TS_VBMI;
}

enum ts_isa ts_cpu_isa(void)
{
    static _Atomic int known = -1; /* cpuid traps to the hypervisor in a virtual machine: asked once */
    int isa = atomic_load_explicit(&known, memory_order_relaxed);
    if (isa < 0) {
        enum ts_isa best = detect(), highest = cap();
        isa = (int)(best < highest ? best : highest);
        atomic_store_explicit(&known, isa, memory_order_relaxed);
    }
    return (enum ts_isa)isa;
}

#else
typedef int ts_not_x86; /* a translation unit may not be empty */
#endif
