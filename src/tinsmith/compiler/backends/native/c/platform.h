/* platform.h: all that a kernel asks of the operating system. */
#ifndef TS_PLATFORM_H
#define TS_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Memory aligned to 64 bytes; NULL when there is none. */
void *ts_allocate(size_t bytes);
void ts_release(void *memory);

/* Runs task(context, thread, first, last) for ranges that together are the items 0 to items-1, each once, on the
 * calling thread and the pool, at most `threads` of them, and returns when all are done. `thread` is below
 * ts_thread_limit() and tells apart those that run at once in this call. Runs serially when only one thread is allowed,
 * when the pool is busy with another call, or when no thread can be made. Safe after fork (the child makes its own
 * pool). */
typedef void ts_share_task(void *context, size_t thread, size_t first, size_t last);
void ts_share(ts_share_task *task, void *context, size_t items, size_t threads);

/* The same for one part at a time: task(context, part) for every part in 0..parts-1, on as many threads as allowed. */
typedef void (*ts_task)(void *context, size_t part);
void ts_parallel(ts_task task, void *context, size_t parts);

/* Threads that ts_share may use: TINSMITH_NUM_THREADS, else the CPUs this process may run on, or fewer where its
 * container is granted less processor time. 1 to 256; settled when first asked. */
unsigned ts_thread_limit(void);

/* Settles the limit before that; false when it is not 1 to 256, or settled to another one. */
bool ts_limit_threads(int32_t threads);

/* Between two looks at what another thread is about to change. */
static inline void ts_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) || (defined(__ARM_ARCH) && __ARM_ARCH >= 7)
    __asm__ volatile("yield");
#endif
}

/* Lets another thread have this CPU, if one waits for it. */
void ts_yield(void);

/* x86 only: the best instruction set of this CPU (and OS), capped by the environment's
 * TINSMITH_ISA=sse2|avx2|avx512|vbmi. */
enum ts_isa { TS_SSE2 = 0, TS_AVX2 = 1, TS_AVX512 = 2, TS_VBMI = 3 };
enum ts_isa ts_cpu_isa(void);

#endif
