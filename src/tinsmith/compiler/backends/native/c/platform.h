/* platform.h: all that a kernel asks of the operating system. */
#ifndef TS_PLATFORM_H
#define TS_PLATFORM_H

#include <stddef.h>
#include <stdint.h>

/* Memory aligned to 64 bytes; NULL when there is none. */
void *ts_allocate(size_t bytes);
void ts_release(void *memory);

/* Runs task(context, part) for every part in 0..parts-1, on the calling thread and the pool, and returns when all
 * are done. Runs serially when only one thread is allowed, when the pool is busy with another call, or when no
 * thread can be made. Safe after fork (the child makes its own pool). */
typedef void (*ts_task)(void *context, size_t part);
void ts_parallel(ts_task task, void *context, size_t parts);

/* Threads that ts_parallel may use: TINSMITH_NUM_THREADS, else the CPUs this process may run on, or fewer where its
 * container is granted less processor time. 1 to 256; settled when first asked. */
unsigned ts_thread_limit(void);

/* Lets another thread have this CPU, if one waits for it. */
void ts_yield(void);

/* x86 only: the best instruction set of this CPU (and OS), capped by the environment's
 * TINSMITH_ISA=sse2|avx2|avx512|vbmi. */
enum ts_isa { TS_SSE2 = 0, TS_AVX2 = 1, TS_AVX512 = 2, TS_VBMI = 3 };
enum ts_isa ts_cpu_isa(void);

#endif
