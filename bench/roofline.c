/* Prints the GFLOP/s of fused multiply-adds on registers: what this processor can do at most in float32. */
#include <stdio.h>
#include <time.h>

#if defined(__AVX512F__)
#define LANES 16
#else
#define LANES 8
#endif

typedef float vector __attribute__((vector_size(4 * LANES)));

enum { SUMS = 12, TURNS = 20000000, TRIES = 15 };

static vector sums[SUMS];

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void turn(vector a, vector b)
{
    vector s[SUMS];
    for (int i = 0; i < SUMS; i++)
        s[i] = sums[i];
    for (int turn = 0; turn < TURNS; turn++)
#pragma clang loop unroll(full)
        for (int i = 0; i < SUMS; i++)
            s[i] = __builtin_elementwise_fma(s[i], a, b);
    for (int i = 0; i < SUMS; i++)
        sums[i] = s[i];
}

int main(void)
{
    vector a, b;
    for (int lane = 0; lane < LANES; lane++) {
        a[lane] = 0.999f;
        b[lane] = 0.001f;
    }
    double best = 0;
    for (int try = 0; try < TRIES; try++) {
        double start = seconds();
        turn(a, b);
        double rate = 2.0 * LANES * SUMS * TURNS / (seconds() - start) * 1e-9;
        if (rate > best)
            best = rate;
    }
    printf("%.1f %g\n", best, (double)sums[0][0]);
    return 0;
}
