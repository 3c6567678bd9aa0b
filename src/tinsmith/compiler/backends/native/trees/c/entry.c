/* entry.c: the C interface. Chooses the variant, shares rows among threads, transforms. */
#include "tinsmith.h"

#include <stdatomic.h>

#include "body.h"
#include "environment.h"
#include "platform.h"

#if defined(_WIN32)
#define TS_EXPORT /* the linker is told the names */
#else
#define TS_EXPORT __attribute__((visibility("default")))
#endif

/* Rows that one thread takes at a time, a multiple of every kernel's block; margins of so many rows stand between
 * kernel and transform where the two have different columns. */
#define CHUNK_ROWS 1024

/* Small workspaces lie on the stack, so that a call for one row allocates nothing. */
#define STACK_BYTES 8192

/* Calls that hold a large workspace at once without allocating. */
#define SPARES 16

/* Margins that are not written to `out` itself: the transform changes the columns. */
#define MIDDLE (TS_MARGINS != TS_OUTPUTS)

static _Atomic(void *) spares[SPARES];

static const struct ts_body *body(void)
{
#ifdef TS_VARIANTS
    static _Atomic(const struct ts_body *) chosen;
    const struct ts_body *found = chosen;
    if (!found) {
#define TS_LIST_BODY(variant) &ts_body_##variant,
        static const struct ts_body *const bodies[] = {TS_VARIANTS(TS_LIST_BODY)};
        size_t isa = (size_t)ts_cpu_isa();
        size_t last = sizeof bodies / sizeof bodies[0] - 1;
        found = bodies[isa < last ? isa : last];
        chosen = found;
    }
    return found;
#else
    return &ts_body;
#endif
}

static bool same_text(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

/* The kernel that TINSMITH_KERNEL names, read once. */
static enum ts_kernel_name forced_kernel(void)
{
    static const char *const names[] = {TS_KERNEL_NAMES};
    static _Atomic int known = -1;
    int kernel = known;
    if (kernel < 0) {
        char wanted[16];
        kernel = TS_ANY_KERNEL;
        if (ts_environment("TINSMITH_KERNEL", wanted, sizeof wanted))
            for (int i = TS_ANY_KERNEL + 1; i < TS_KERNELS; i++)
                if (same_text(wanted, names[i]))
                    kernel = i;
        known = kernel;
    }
    return (enum ts_kernel_name)kernel;
}

/* Bytes that a call for `count` rows needs; the most for CHUNK_ROWS or more. */
static size_t middle_bytes(size_t count)
{
    size_t rows = count < CHUNK_ROWS ? count : CHUNK_ROWS;
    return MIDDLE ? (rows * TS_MARGINS * sizeof(ts_real) + 63) & ~(size_t)63 : 0;
}

static size_t call_bytes(size_t count)
{
    return middle_bytes(count) + body()->workspace(count, forced_kernel());
}

/* Spares are of one size, enough for any call. */
static void *take_spare(void)
{
    for (size_t i = 0; i < SPARES; i++) {
        void *memory = atomic_load_explicit(&spares[i], memory_order_relaxed);
        if (memory)
            memory = atomic_exchange_explicit(&spares[i], NULL, memory_order_acquire);
        if (memory)
            return memory;
    }
    return ts_allocate(call_bytes(SIZE_MAX));
}

static void give_spare(void *memory)
{
    for (size_t i = 0; i < SPARES; i++) {
        void *nothing = NULL;
        if (atomic_compare_exchange_strong_explicit(&spares[i], &nothing, memory, memory_order_release,
                                                    memory_order_relaxed))
            return;
    }
    ts_release(memory);
}

struct call {
    const float *rows;
    size_t count;
    size_t stride;
    ts_real *out;
    bool margin;
    size_t part_rows;
    _Atomic int32_t status;
};

/* Rows of one chunk, `count` at most CHUNK_ROWS where there is a middle buffer. */
static void predict_rows(const struct call *call, size_t first, size_t count, unsigned char *memory)
{
    const struct ts_body *chosen = body();
    const float *rows = call->rows + first * call->stride;
    ts_real *out = call->out + first * (call->margin ? TS_MARGINS : TS_OUTPUTS);
    ts_real *margins = MIDDLE && !call->margin ? (ts_real *)(void *)memory : out;
    chosen->margins(rows, count, call->stride, margins, memory + middle_bytes(count), forced_kernel());
    if (!call->margin && TS_TRANSFORM != TS_TRANSFORM_IDENTITY)
        chosen->transform(margins, count, out);
}

static void predict_part(void *context, size_t part)
{
    struct call *call = context;
    alignas(64) unsigned char small[STACK_BYTES];
    unsigned char *memory = call_bytes(call->part_rows) <= STACK_BYTES ? small : take_spare();
    if (!memory) {
        call->status = TINSMITH_NO_MEMORY;
        return;
    }
    size_t first = part * call->part_rows;
    size_t end = call->count - first < call->part_rows ? call->count : first + call->part_rows;
    for (; first < end; first += CHUNK_ROWS)
        predict_rows(call, first, end - first < CHUNK_ROWS ? end - first : CHUNK_ROWS, memory);
    if (memory != small)
        give_spare(memory);
}

#if !defined(_WIN32)
__attribute__((destructor)) static void release_spares(void)
{
    for (size_t i = 0; i < SPARES; i++)
        if (spares[i])
            ts_release(spares[i]);
}
#endif

TS_EXPORT int32_t tinsmith_predict(const float *rows, int64_t count, int64_t stride, void *out, uint32_t flags)
{
    if (count < 0 || (flags & ~TINSMITH_MARGIN) || (count && (!rows || !out || stride < TS_FEATURES)))
        return TINSMITH_BAD_ARGUMENT;
    if (!count)
        return TINSMITH_OK;
    struct call call = {rows, (size_t)count, (size_t)stride, out, flags & TINSMITH_MARGIN, (size_t)count, TINSMITH_OK};
    if (call.count < 2 * TS_ROWS_PER_THREAD || ts_thread_limit() < 2) {
        predict_part(&call, 0);
        return call.status;
    }
    call.part_rows = TS_ROWS_PER_THREAD;
    ts_parallel(predict_part, &call, (call.count + call.part_rows - 1) / call.part_rows);
    return call.status;
}

TS_EXPORT int32_t tinsmith_abi_version(void)
{
    return TINSMITH_ABI_VERSION;
}

TS_EXPORT int64_t tinsmith_num_features(void)
{
    return TS_FEATURES;
}

TS_EXPORT int64_t tinsmith_num_outputs(void)
{
    return TS_OUTPUTS;
}

TS_EXPORT int64_t tinsmith_num_margins(void)
{
    return TS_MARGINS;
}

TS_EXPORT int32_t tinsmith_output_type(void)
{
    return TS_DOUBLE ? TINSMITH_FLOAT64 : TINSMITH_FLOAT32;
}

TS_EXPORT const char *tinsmith_describe(void)
{
    return TS_TABLE(char, TS_AT_DESCRIPTION);
}

TS_EXPORT int32_t tinsmith_set_threads(int32_t threads)
{
    return ts_limit_threads(threads) ? TINSMITH_OK : TINSMITH_BAD_ARGUMENT;
}
